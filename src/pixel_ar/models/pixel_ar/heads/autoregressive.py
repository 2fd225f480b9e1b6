# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The autoregressive patch head: the exact joint distribution of a 1-bit patch.

A 1-bit column of eight rows is one byte, so a patch is a short sequence of bytes and its joint distribution factorises
exactly. `AutoregressivePatchHead` decodes it with a byte-causal masked MLP (as in MADE, arXiv 1502.03509) over the
whole patch or, with decoder layers, in two levels: a small causal transformer over groups of columns (about one glyph
each), and the masked MLP inside a group. PIXAR's stage 1 (arXiv 2401.03321, section 3.2) treats the pixels of a patch
as independent instead, which is where its blur comes from.

Every weight is read by its own module's `forward`: offloading, sharding, quantisation and adapters act when a module is
called, and would not notice a `module.weight` read from outside.

With `head_num_glyphs` a group is drawn by one decision among the most frequent groups (glyphs, where a group is as wide
as one), and byte after byte only after an escape: what looks like letters is then not learned pixel by pixel.

Shapes: N patches, D hidden size, P values per patch, G groups per patch, S bytes per group, E width of the column
decoder, K byte embedding size, M hidden units per byte, L glyphs.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..configuration_pixel_ar import PixelARConfig
from ..layers import RMSNorm
from ..patching import bytes_to_patches, patches_to_bytes
from .base import DrawInputs, Generators, PatchHead, PatchSample, Warp, draw_rows

BYTE_VALUES = 256
ALL_INK = 255
# Stands for the logarithm of 0 where infinity would send NaN through a gradient.
NEVER = -1e9
# Up to so many rows, slots are mapped one after another where no gradient is asked for.
_FEW_ROWS = 64
# Bytes whose logits are held at once; 32,768 x 256 float32 are 32 MB, and softmax and gradient as much each.
_BYTES_AT_ONCE = 32_768
# Share of the bytes of glyphs in the training loss.
BYTE_SHARE = 0.1


class SlotLinear(nn.Module):
    """One linear map per slot: `[..., slots, in]` to `[..., slots, out]`.

    Args:
        num_slots: how many maps.
        in_features: input width.
        out_features: output width.
    """

    def __init__(self, num_slots: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_slots, in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(num_slots, out_features))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, inputs: torch.Tensor, slot: int | None = None) -> torch.Tensor:
        """Maps all slots, `[N, slots, in]` to `[N, slots, out]`, or the given one, `[N, in]` to `[N, out]`."""
        if slot is None:
            return torch.einsum("nsi,sio->nso", inputs, self.weight) + self.bias
        return inputs @ self.weight[slot] + self.bias[slot]

    def extra_repr(self) -> str:
        """Shape for `print(model)`."""
        return f"slots={self.weight.shape[0]}, in={self.weight.shape[1]}, out={self.weight.shape[2]}"


class CausalSlotLinear(nn.Module):
    """Linear map without bias in which the output of a slot depends on the inputs of earlier slots only.

    The weight is that of a full linear map; the blocks from a slot to itself or to an earlier one are never used.

    Args:
        num_slots: how many slots.
        in_features: input width of a slot.
        out_features: output width of a slot.
    """

    def __init__(self, num_slots: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.num_slots = num_slots
        self.in_features = in_features
        self.out_features = out_features
        self.weight = nn.Parameter(torch.empty(num_slots * out_features, num_slots * in_features))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def forward(self, inputs: torch.Tensor, slot: int | None = None) -> torch.Tensor:
        """Maps all slots, `[N, slots * in]` to `[N, slots * out]`.

        With `slot`, computes the output of that slot alone from the inputs before it: `[N, slot * in]` to `[N, out]`.
        """
        if slot is None and (torch.is_grad_enabled() or inputs.shape[0] > _FEW_ROWS):
            return F.linear(inputs, self.weight * self._mask())
        if slot is None:
            # Masking the weight costs more than few rows do.
            widths = [index * self.in_features for index in range(self.num_slots)]
            return torch.cat([self(inputs[:, :width], index) for index, width in enumerate(widths)], dim=-1)
        rows = slice(slot * self.out_features, (slot + 1) * self.out_features)
        return F.linear(inputs, self.weight[rows, : slot * self.in_features])

    def _mask(self) -> torch.Tensor:
        """1 where a weight leads from a slot to a later one, shaped as the weight."""
        shape = (self.num_slots, self.num_slots)
        blocks = torch.ones(shape, dtype=self.weight.dtype, device=self.weight.device).tril(-1)
        return blocks.repeat_interleave(self.out_features, 0).repeat_interleave(self.in_features, 1)

    def extra_repr(self) -> str:
        """Shape for `print(model)`."""
        return f"slots={self.num_slots}, in={self.in_features}, out={self.out_features}"


class ColumnDecoderLayer(nn.Module):
    """Pre-norm transformer layer over the column groups of one patch.

    Its module names differ from the backbone's on purpose: adapters that target `q_proj` stay out of the head.
    """

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__()
        # None of these is None once the configuration is built.
        width = config.head_hidden_size or config.hidden_size
        hidden = config.head_intermediate_size or width
        self.num_heads = config.head_num_attention_heads
        self.attention_norm = RMSNorm(width, eps=config.rms_norm_eps)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.attention_output = nn.Linear(width, width, bias=False)
        self.mlp_norm = RMSNorm(width, eps=config.rms_norm_eps)
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`[N, G, E]` to `[N, G, E]`, causal over G."""
        query, key, value = self._project(states)
        # A patch has few groups; at that length the plain product is three times faster than the fused CPU kernel.
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        return self._finish(states, scores.masked_fill(future, float("-inf")), value)

    def step(
        self, states: torch.Tensor, past: tuple[torch.Tensor, torch.Tensor] | None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """The same for the newest group alone: `[N, 1, E]`, given keys and values of the groups before it."""
        query, key, value = self._project(states)
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        return self._finish(states, scores, value), (key, value)

    def _project(self, states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Query, key and value, each `[N, heads, G, E / heads]`."""
        parts = self.query_key_value(self.attention_norm(states)).unflatten(-1, (3, self.num_heads, -1))
        return parts.permute(2, 0, 3, 1, 4).unbind(0)

    def _finish(self, states: torch.Tensor, scores: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        mixed = scores.softmax(-1).to(value.dtype) @ value
        states = states + self.attention_output(mixed.transpose(1, 2).flatten(-2))
        gate, up = self.gate_up(self.mlp_norm(states)).chunk(2, dim=-1)
        return states + self.down(F.silu(gate) * up)


class GroupByteDecoder(nn.Module):
    """Byte-causal masked MLP inside a column group: p(byte | bytes of the group before it, state of the group)."""

    def __init__(self, config: PixelARConfig, num_slots: int) -> None:
        super().__init__()
        self.num_slots = num_slots
        # None of these is None once the configuration is built.
        width = config.head_hidden_size or config.hidden_size
        hidden_size = config.head_byte_hidden_size or width
        # SwiGLU: the gate lets earlier bytes select among the glyphs the state suggests.
        gated = 2 * hidden_size
        self.condition = nn.Linear(width, num_slots * gated)
        # A lone byte has none before it; an unused weight would stop distributed training.
        self.previous_bytes: CausalSlotLinear | None = None
        if num_slots > 1:
            self.previous_bytes = CausalSlotLinear(num_slots, config.head_byte_embedding_size, gated)
        self.output = SlotLinear(num_slots, hidden_size, BYTE_VALUES)

    def forward(self, states: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        """Logits of all bytes at once (teacher forcing).

        Args:
            states: `[N, E]` one state per group.
            embedded: `[N, S, K]` embeddings of the group's bytes.

        Returns:
            `[N, S, 256]`.
        """
        hidden = self.condition(states)
        if self.previous_bytes is not None:
            hidden = hidden + self.previous_bytes(embedded.flatten(-2))
        gate, up = hidden.unflatten(-1, (self.num_slots, -1)).chunk(2, dim=-1)
        return self.output(F.silu(gate) * up)

    def first_logits(self, states: torch.Tensor) -> torch.Tensor:
        """Logits of the group's first byte, which needs its state alone: `[N, E]` to `[N, 256]`."""
        return self.slot_logits(self.gates(states), [], 0)

    def gates(self, states: torch.Tensor) -> torch.Tensor:
        """What the group's state gives to each of its bytes: `[N, E]` to `[N, S, 2M]`."""
        return self.condition(states).unflatten(-1, (self.num_slots, -1))

    def slot_logits(self, gates: torch.Tensor, embedded: list[torch.Tensor], slot: int) -> torch.Tensor:
        """Logits of byte `slot` alone.

        Args:
            gates: `[N, S, 2M]`, from [`gates`].
            embedded: `[N, K]` for each of the `slot` bytes before it.
            slot: which byte of the group.

        Returns:
            `[N, 256]`.
        """
        hidden = gates[:, slot]
        if slot and self.previous_bytes is not None:
            hidden = hidden + self.previous_bytes(torch.cat(embedded, dim=-1), slot)
        gate, up = hidden.chunk(2, dim=-1)
        return self.output(F.silu(gate) * up, slot)


class GroupGlyphs(nn.Module):
    """p(glyph | state of the group), with an escape for every other group of bytes."""

    cells: torch.Tensor

    def __init__(self, config: PixelARConfig, group_bytes: int) -> None:
        super().__init__()
        width = config.head_hidden_size or config.hidden_size  # None only before the configuration is built
        self.projection = nn.Linear(width, config.head_num_glyphs + 1)
        self.register_buffer("cells", torch.zeros(config.head_num_glyphs, group_bytes, dtype=torch.uint8))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Logits of the glyphs and of the escape: `[..., E]` to `[..., L + 1]`."""
        return self.projection(states)

    def fits(self, group_bytes: torch.Tensor, num_bytes: torch.Tensor | None = None) -> torch.Tensor:
        """Bool `[..., L]`: glyphs that are these bytes `[..., S]`, or begin with the first `num_bytes` `[...]`."""
        is_same = self.cells == group_bytes[..., None, :].to(self.cells.device)
        if num_bytes is not None:
            positions = torch.arange(is_same.shape[-1], device=is_same.device)
            is_same = is_same | (positions >= num_bytes[..., None, None].to(is_same.device))
        return is_same.all(-1)

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"glyphs={len(self.cells)}"


class AutoregressivePatchHead(PatchHead):
    """Exact joint distribution of a 1-bit patch, byte after byte (one byte = eight rows of one pixel column).

    With `head_num_layers=0` it is a plain masked MLP over the whole patch, the default; with `head_group_columns=1` a
    plain causal transformer over columns. `examples/benchmarks/README.md` has the measurements behind it.
    """

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        # The patch, but for the escape of one of several parts.
        self.patch_size = height, width = config.part_size
        self.bytes_per_column = height // 8
        # Neither of these is None once the configuration is built.
        group_columns = config.head_group_columns or width
        state_size = config.head_hidden_size or config.hidden_size
        self.num_groups = width // group_columns
        self.group_bytes = group_columns * self.bytes_per_column
        self.byte_embedding = nn.Embedding(self.group_bytes * BYTE_VALUES, config.head_byte_embedding_size)
        self.condition = nn.Linear(config.hidden_size, self.num_groups * state_size)
        self.previous_group: nn.Linear | None = None
        if self.num_groups > 1:
            group_features = self.group_bytes * config.head_byte_embedding_size
            self.previous_group = nn.Linear(group_features, state_size, bias=False)
        self.layers = nn.ModuleList([ColumnDecoderLayer(config) for _ in range(config.head_num_layers or 0)])
        self.norm = RMSNorm(state_size, eps=config.rms_norm_eps)
        self.group_decoder = GroupByteDecoder(config, self.group_bytes)
        self.glyphs = GroupGlyphs(config, self.group_bytes) if config.head_num_glyphs else None

    def _embed_bytes(self, group_bytes: torch.Tensor, first_slot: int = 0) -> torch.Tensor:
        """Embeds bytes by value and slot: `[..., n]` (slots `first_slot`...) to `[..., n, K]`."""
        slots = torch.arange(first_slot, first_slot + group_bytes.shape[-1], device=group_bytes.device)
        return self.byte_embedding(group_bytes + slots * BYTE_VALUES)

    def _group_states(self, conditions: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        """States of groups 0..n from the conditions `[N, n + 1, E]` and the bytes `[N, n, S, K]` before each."""
        states = conditions
        if embedded.shape[1] and self.previous_group is not None:
            states = states + F.pad(self.previous_group(embedded.flatten(-2)), (0, 0, 1, 0))
        for layer in self.layers:
            states = layer(states)
        return self.norm(states)

    def _conditions(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.condition(hidden_states).unflatten(-1, (self.num_groups, -1))  # [N, G, E]

    def byte_logits(self, hidden_states: torch.Tensor, column_bytes: torch.Tensor) -> torch.Tensor:
        """Logits of every byte given the bytes before it (teacher forcing).

        Args:
            hidden_states: `[N, D]`.
            column_bytes: int64 `[N, G * S]`.

        Returns:
            `[N, G * S, 256]`.
        """
        return self._teacher_forced(hidden_states, column_bytes)[1]

    def _teacher_forced(
        self, hidden_states: torch.Tensor, column_bytes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """States of the groups `[N, G, E]` and the logits of every byte, see [`byte_logits`]."""
        embedded = self._embed_bytes(column_bytes.unflatten(-1, (self.num_groups, self.group_bytes)))
        states = self._group_states(self._conditions(hidden_states), embedded[:, :-1])
        logits = self.group_decoder(states.flatten(0, 1), embedded.flatten(0, 1))
        return states, logits.reshape(hidden_states.shape[0], self.num_groups * self.group_bytes, BYTE_VALUES)

    def logits(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Logits of the first decision about the next patch, the one that depends on the hidden state alone.

        Args:
            hidden_states: `[..., D]`.

        Returns:
            `[..., 256]` of the first byte, or `[..., L + 1]` of the first glyph. Later ones depend on earlier ones; see
            [`byte_logits`].
        """
        flat = hidden_states.reshape(-1, hidden_states.shape[-1])
        first = self._conditions(flat)[:, :1]
        states = self._group_states(first, first.new_empty(first.shape[0], 0, 1, 1))[:, 0]
        logits = self.group_decoder.first_logits(states) if self.glyphs is None else self.glyphs(states)
        return logits.reshape(*hidden_states.shape[:-1], logits.shape[-1])

    def log_prob(
        self, hidden_states: torch.Tensor, patches: torch.Tensor, num_columns: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See [`PatchHead.log_prob`]. The first `num_columns` alone are exact too: columns go left to right.

        A glyph can be drawn in two ways, as itself and byte by byte; both are counted.
        """
        column_bytes = patches_to_bytes(patches, self.patch_size)
        states, nats = self._byte_nats(hidden_states, column_bytes)
        num_bytes = None
        if num_columns is not None:
            num_bytes = num_columns * self.bytes_per_column
            counted = torch.arange(nats.shape[-1], device=nats.device) < num_bytes[:, None].to(nats.device)
            nats, num_bytes = torch.where(counted, nats, torch.zeros_like(nats)), num_bytes.cpu()
        if self.glyphs is None:
            return -nats.sum(-1)
        size = (self.num_groups, self.group_bytes)
        log_bytes = -nats.unflatten(-1, size).sum(-1)  # [N, G]
        log_glyphs = self.glyphs(states).float().log_softmax(-1).to(log_bytes.device)
        spelled = log_glyphs[..., -1] + log_bytes
        if num_bytes is None:
            fits = self.glyphs.fits(column_bytes.unflatten(-1, size))
        else:
            written = (num_bytes[:, None] - torch.arange(self.num_groups) * self.group_bytes).clamp(min=0)
            fits = self.glyphs.fits(column_bytes.unflatten(-1, size), written.to(column_bytes.device))
        fits = fits.to(log_glyphs.device)
        known = log_glyphs[..., :-1].masked_fill(~fits, NEVER).logsumexp(-1)
        total = torch.where(fits.any(-1), torch.logaddexp(known, spelled), spelled)
        if num_bytes is not None:
            # A group that has not begun is sure to be something.
            total = torch.where(written.to(total.device) > 0, total, torch.zeros_like(total))
        return total.sum(-1)

    def loss(self, hidden_states: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """The negative log-probability; with glyphs, in training, the glyphs' own plus a little of the bytes'.

        A glyph then costs what its own decision costs (an upper bound). The bytes of all groups count a tenth, or what
        follows the escape would learn from the rarest groups alone.
        """
        if self.glyphs is None or not self.training:
            return super().loss(hidden_states, patches)
        column_bytes = patches_to_bytes(patches, self.patch_size)
        states, nats = self._byte_nats(hidden_states, column_bytes)
        nats = nats.unflatten(-1, (self.num_groups, -1)).sum(-1)
        fits = self.glyphs.fits(column_bytes.unflatten(-1, (self.num_groups, -1))).to(nats.device)
        is_glyph = fits.any(-1)
        target = torch.where(is_glyph, fits.to(torch.int64).argmax(-1), fits.shape[-1])
        scores = self.glyphs(states).float().flatten(0, 1)
        chosen = F.cross_entropy(scores, target.to(scores.device).flatten(), reduction="none")
        spelled = torch.where(is_glyph, BYTE_SHARE * nats, (1 + BYTE_SHARE) * nats)
        return (chosen.view_as(nats) + spelled).sum(-1)

    def _byte_nats(
        self, hidden_states: torch.Tensor, column_bytes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """States of the groups `[N, G, E]` and the cost of each byte `[N, G * S]`, float32.

        Many patches are taken in turns, whose logits are computed again for the gradient: what stays in memory is a
        number for each byte, and not several times 256. Compiled code decides by itself what it keeps.
        """
        rows = max(_BYTES_AT_ONCE // column_bytes.shape[1], 1)
        if len(hidden_states) <= rows or torch.compiler.is_compiling():
            return self._few_byte_nats(hidden_states, column_bytes)
        turns = []
        for turn in zip(hidden_states.split(rows), column_bytes.split(rows), strict=True):
            if torch.is_grad_enabled():
                turns.append(checkpoint(self._few_byte_nats, *turn, use_reentrant=False))
            else:
                turns.append(self._few_byte_nats(*turn))
        states, nats = zip(*turns, strict=True)
        return torch.cat(states), torch.cat(nats)

    def _few_byte_nats(
        self, hidden_states: torch.Tensor, column_bytes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        states, logits = self._teacher_forced(hidden_states, column_bytes)
        column_bytes = column_bytes.to(logits.device)  # a split model may have put them elsewhere
        nats = F.cross_entropy(logits.float().flatten(0, 1), column_bytes.flatten(), reduction="none")
        return states, nats.view_as(column_bytes)

    def sample(
        self,
        hidden_states: torch.Tensor,
        do_sample: bool = False,
        warp: Warp | None = None,
        generator: Generators | None = None,
        prefix: torch.Tensor | None = None,
        prefix_columns: torch.Tensor | None = None,
        sampler: str | None = None,
        threshold: float = 0.5,
        no_eos: torch.Tensor | None = None,
    ) -> PatchSample:
        """See [`PatchHead.sample`]. Bytes of the prefix are kept; the rest is drawn given them.

        Where the EOS patch may not be, a patch is drawn from the distribution of all others, exactly: a model that
        wants to end then writes what it deems next likeliest, not an EOS patch with a hole.
        """
        noise = self.draw_inputs(len(hidden_states), hidden_states.device, do_sample, generator)
        given = self._prefix_bytes(prefix, prefix_columns)
        return self._sample(hidden_states, warp, noise, given, no_eos).sample()

    def complete(
        self,
        hidden_states: torch.Tensor,
        warp: Warp | None,
        inputs: DrawInputs,
        column_bytes: torch.Tensor | None,
        count: int,
    ) -> torch.Tensor:
        """Patches `[N, P]` of which the first `count` bytes are those of `column_bytes` `[N, G * S]`."""
        given = None
        if column_bytes is not None and count:
            place = torch.arange(column_bytes.shape[-1], device=column_bytes.device)
            given = torch.where(place < count, column_bytes, -1)
        return self._sample(hidden_states, warp, inputs, given, None).patches

    def draw_inputs(
        self, rows: int, device: torch.device, do_sample: bool, generator: Generators | None
    ) -> DrawInputs:
        """See [`PatchHead.draw_inputs`]: noise for the bytes `[N, G * S, 256]` and the glyphs `[N, G, L + 1]`."""
        if not do_sample:
            return None, None
        noise = gumbel_noise((rows, self.num_groups * self.group_bytes, BYTE_VALUES), device, generator)
        if self.glyphs is None:
            return noise, None
        return noise, gumbel_noise((rows, self.num_groups, len(self.glyphs.cells) + 1), device, generator)

    @property
    def draws_without_looking(self) -> bool:
        """See [`PatchHead.draws_without_looking`]: with glyphs, bytes are drawn only if some row needs them."""
        return self.glyphs is None

    def draw(
        self, hidden_states: torch.Tensor, warp: Warp | None, inputs: DrawInputs
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """See [`PatchHead.draw`]."""
        drawn = self._sample(hidden_states, warp, inputs, None, None).sample()
        return drawn.patches, drawn.logits, drawn.scores

    def sample_weighed(
        self,
        hidden_states: torch.Tensor,
        do_sample: bool,
        warp: Warp | None,
        generator: Generators | None,
        prefix: torch.Tensor | None,
        prefix_columns: torch.Tensor | None,
        no_eos: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Patches `[N, P]` as [`sample`] draws them, and what the warp makes of their whole distribution `[N]`.

        A temperature T below 1 leaves `sum p(patch) ** (1 / T)` of the probability, little where many patches are alike
        likely. The product of what it leaves at each decision estimates that sum without bias, since the decisions are
        drawn from what is left. Logarithms; 0 without a warp.
        """
        noise = self.draw_inputs(len(hidden_states), hidden_states.device, do_sample, generator)
        given = self._prefix_bytes(prefix, prefix_columns)
        draw = self._sample(hidden_states, warp, noise, given, no_eos, weighs=True)
        return draw.patches, draw.log_mass

    def _sample(
        self,
        hidden_states: torch.Tensor,
        warp: Warp | None,
        inputs: DrawInputs,
        prefix_bytes: torch.Tensor | None,
        no_eos: torch.Tensor | None,
        weighs: bool = False,
    ) -> "_BytesDraw":
        conditions = self._conditions(hidden_states)
        number, size = conditions.shape[0], self.group_bytes
        others = None if no_eos is None else self._not_eos(hidden_states, no_eos)
        noise, glyph_noise = inputs
        column_bytes = torch.zeros(
            number, self.num_groups * size, dtype=torch.int64, device=conditions.device
        )
        draw = _BytesDraw(self, warp, noise, prefix_bytes, others)
        draw.log_mass = conditions.new_zeros(number, dtype=torch.float32)
        draw.weighs = weighs
        past: list[tuple[torch.Tensor, torch.Tensor] | None] = [None] * len(self.layers)
        embedded: torch.Tensor | None = None
        for group in range(self.num_groups):
            state, past = self._next_group_state(conditions[:, group : group + 1], embedded, past)
            if self.glyphs is None:
                embedded = draw.spell(state[:, 0], column_bytes, group)
            else:
                embedded = draw.choose(
                    state[:, 0], column_bytes, group, None if glyph_noise is None else glyph_noise[:, group]
                )
        draw.patches = bytes_to_patches(column_bytes, self.patch_size)
        return draw

    def _not_eos(self, hidden_states: torch.Tensor, rows: torch.Tensor) -> "_EosBan":
        """What a ban of the EOS patch in the given rows adds to scores after ink alone; see [`_EosBan`]."""
        shape = (len(rows), self.num_groups * self.group_bytes)
        eos = torch.full(shape, ALL_INK, dtype=torch.int64, device=hidden_states.device)
        states, logits = self._teacher_forced(hidden_states, eos)
        ink = logits.float().log_softmax(-1)[..., ALL_INK].unflatten(-1, (self.num_groups, -1))
        later_bytes = (ink.flip(-1).cumsum(-1).flip(-1) - ink).clamp(max=0)
        groups = ink.sum(-1)  # [N, G]
        log_glyphs = None
        if self.glyphs is not None:
            log_glyphs = self.glyphs(states).float().log_softmax(-1)
            fits = self.glyphs.fits(eos.unflatten(-1, (self.num_groups, -1))).to(log_glyphs.device)
            known = log_glyphs[..., :-1].masked_fill(~fits, NEVER).logsumexp(-1)
            groups = torch.logaddexp(known, log_glyphs[..., -1] + groups)
        later_groups = (groups.flip(-1).cumsum(-1).flip(-1) - groups).clamp(max=0)
        rest = later_bytes + later_groups[..., None]
        keep = ~rows[:, None].to(rest.device)
        return _EosBan(
            log_not(rest).flatten(-2).masked_fill(keep, 0.0),
            log_not(later_groups).masked_fill(keep, 0.0),
            log_not((ink.sum(-1) + later_groups).clamp(max=0)).masked_fill(keep, 0.0),
        )

    def _next_group_state(
        self,
        states: torch.Tensor,
        embedded: torch.Tensor | None,
        past: list[tuple[torch.Tensor, torch.Tensor] | None],
    ) -> tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor] | None]]:
        """State of the newest group from its condition `[N, 1, E]` and the embedded bytes `[N, S * K]` before it."""
        if embedded is not None and self.previous_group is not None:
            states = states + self.previous_group(embedded)[:, None]
        grown: list[tuple[torch.Tensor, torch.Tensor] | None] = []
        for layer, layer_past in zip(self.layers, past, strict=True):
            states, layer_past = cast(ColumnDecoderLayer, layer).step(states, layer_past)
            grown.append(layer_past)
        return self.norm(states), grown

    def _prefix_bytes(
        self, prefix: torch.Tensor | None, prefix_columns: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Bytes already written, `[N, G * S]`, with -1 where a byte is still to be drawn; `None` without a prefix."""
        if prefix is None or prefix_columns is None:
            return None
        column_bytes = patches_to_bytes(prefix, self.patch_size)
        positions = torch.arange(column_bytes.shape[-1], device=column_bytes.device)
        is_written = positions < prefix_columns[:, None] * self.bytes_per_column
        return torch.where(is_written, column_bytes, -1)


def log_not(log_prob: torch.Tensor) -> torch.Tensor:
    """log(1 - p) for the logarithm of p."""
    return torch.log(-torch.expm1(log_prob))


@dataclass
class _EosBan:
    """What is added to scores while a patch is ink alone, so that it is drawn from all patches but the EOS patch.

    One more part of ink keeps only the probability that the rest of the patch is not all ink.

    Attributes:
        bytes: `[N, G * S]`, to a byte of ink.
        glyphs: `[N, G]`, to a glyph of ink.
        escapes: `[N, G]`, to the escape from the glyphs.
    """

    bytes: torch.Tensor
    glyphs: torch.Tensor
    escapes: torch.Tensor


class _BytesDraw:
    """One call of `AutoregressivePatchHead.sample`: what it was asked for, and what it has decided so far."""

    def __init__(
        self,
        head: AutoregressivePatchHead,
        warp: Warp | None,
        noise: torch.Tensor | None,
        prefix_bytes: torch.Tensor | None,
        ban: _EosBan | None,
    ) -> None:
        self.head, self.warp, self.noise = head, warp, noise
        self.prefix_bytes, self.ban = prefix_bytes, ban
        self.logits: list[torch.Tensor] = []
        self.scores: list[torch.Tensor] = []
        self.weighs = False
        self.log_mass = torch.zeros(0)
        self.patches = torch.zeros(0)

    def sample(self) -> PatchSample:
        """What was drawn, as heads return it."""
        return PatchSample(self.patches, torch.stack(self.logits, 1), torch.stack(self.scores, 1))

    def spell(self, states: torch.Tensor, column_bytes: torch.Tensor, group: int) -> torch.Tensor:
        """Draws a group byte by byte into `column_bytes` `[N, G * S]`; the embedded bytes `[N, S * K]`."""
        logits, scores, parts = self._bytes(states, column_bytes, group, None)
        self.logits += logits
        self.scores += scores
        return torch.cat(parts, dim=-1)

    def _bytes(
        self, states: torch.Tensor, column_bytes: torch.Tensor, group: int, rows: torch.Tensor | None
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]:
        head = self.head
        # One product per group instead of one per byte: each byte then reads its own part.
        gates = head.group_decoder.gates(states)
        logits: list[torch.Tensor] = []
        scores: list[torch.Tensor] = []
        parts: list[torch.Tensor] = []
        for slot in range(head.group_bytes):
            index = group * head.group_bytes + slot
            logits.append(head.group_decoder.slot_logits(gates, parts, slot).float())
            allowed, written = logits[-1], column_bytes[:, :index]
            if self.ban is not None:
                penalty = F.pad(self.ban.bytes[:, index, None], (ALL_INK, 0))
                is_ink = (written == ALL_INK).all(-1, keepdim=True)
                allowed = torch.where(is_ink, allowed + penalty, allowed)
            is_given = None if self.prefix_bytes is None else self.prefix_bytes[:, index] >= 0
            scores.append(self._warped(written, allowed, rows, is_given))
            byte = (scores[-1] if self.noise is None else scores[-1] + self.noise[:, index]).argmax(-1)
            if self.prefix_bytes is not None:
                byte = torch.where(self.prefix_bytes[:, index] >= 0, self.prefix_bytes[:, index], byte)
            column_bytes[:, index] = byte
            parts.append(head.byte_embedding(byte + slot * BYTE_VALUES))
        return logits, scores, parts

    def choose(
        self, states: torch.Tensor, column_bytes: torch.Tensor, group: int, noise: torch.Tensor | None
    ) -> torch.Tensor:
        """Draws a group as a glyph, or byte by byte after the escape; the embedded bytes `[N, S * K]`."""
        glyphs, size = self.head.glyphs, self.head.group_bytes
        assert glyphs is not None
        first = group * size
        logits = glyphs(states).float()
        allowed, written = logits, column_bytes[:, :first]
        if self.ban is not None:
            is_ink = (glyphs.cells == ALL_INK).all(-1).to(logits.device)
            ink = torch.where(is_ink, self.ban.glyphs[:, group, None], 0.0)
            penalty = torch.cat([ink, self.ban.escapes[:, group, None]], dim=1)
            allowed = torch.where((written == ALL_INK).all(-1, keepdim=True), logits + penalty, logits)
        is_given = None if self.prefix_bytes is None else self.prefix_bytes[:, first] >= 0
        scores = self._warped(written, allowed, None, is_given)
        if self.prefix_bytes is not None:
            scores = self._continue(states, scores, first)
        self.logits.append(logits)
        self.scores.append(scores)
        chosen = (scores if noise is None else scores + noise).argmax(-1)
        cells = F.pad(glyphs.cells, (0, 0, 0, 1)).to(torch.int64).to(chosen.device)
        is_spelled = chosen == len(glyphs.cells)
        drawn = cells[chosen]
        if bool(is_spelled.any()):
            self._bytes(states, column_bytes, group, is_spelled)
            drawn = torch.where(is_spelled[:, None], column_bytes[:, first : first + size], drawn)
        column_bytes[:, first : first + size] = drawn
        return self.head._embed_bytes(drawn).flatten(-2)

    def _continue(self, states: torch.Tensor, scores: torch.Tensor, first: int) -> torch.Tensor:
        """Scores of the glyphs and the escape given the first bytes of a group."""
        assert self.prefix_bytes is not None and self.head.glyphs is not None
        given = self.prefix_bytes[:, first : first + self.head.group_bytes]
        num_bytes = (given >= 0).sum(-1)
        if not bool((num_bytes > 0).any()):
            return scores
        fits = self.head.glyphs.fits(given.clamp(min=0), num_bytes).to(scores.device)
        embedded = self.head._embed_bytes(given.clamp(min=0))
        log_probs = self.head.group_decoder(states, embedded).float().log_softmax(-1)
        nats = log_probs.gather(-1, given.clamp(min=0)[..., None].to(log_probs.device))[..., 0]
        share = torch.where(given.to(nats.device) >= 0, nats, torch.zeros_like(nats)).sum(-1)
        known = scores[:, :-1].masked_fill(~fits, float("-inf"))
        return torch.cat([known, scores[:, -1:] + share[:, None]], dim=1)

    def _warped(
        self,
        written: torch.Tensor,
        logits: torch.Tensor,
        rows: torch.Tensor | None,
        is_given: torch.Tensor | None,
    ) -> torch.Tensor:
        """Scores of a decision; notes what the warp leaves of its probability in the rows that take it freely."""
        if self.warp is None:
            return logits
        if not self.weighs:
            return self.warp(written, logits)
        scores = self.warp(written, logits.log_softmax(-1))
        left = scores.logsumexp(-1)
        if rows is not None:
            left = torch.where(rows, left, torch.zeros_like(left))
        if is_given is not None:
            left = torch.where(is_given, torch.zeros_like(left), left)
        self.log_mass = self.log_mass + left
        return scores


def gumbel_noise(shape: tuple[int, ...], device: torch.device, generator: Generators | None) -> torch.Tensor:
    """Noise `[N, ..., L]` whose sum with scores has its maximum at a sample of their softmax.

    Drawing it for all decisions at once leaves one `argmax` for each, greedy or not.

    Args:
        shape: of the noise; the first number is that of the rows.
        device: where it is needed.
        generator: source of randomness; a sequence has one for each row.

    Raises:
        ValueError: for another number of generators than rows.
    """
    waiting = draw_rows(_waiting_times, shape, device, generator)
    # A waiting time of exactly 0 would turn a forbidden value's -inf into NaN.
    return -waiting.clamp_min_(torch.finfo(torch.float32).tiny).log_()


def _waiting_times(
    shape: tuple[int, ...], generator: torch.Generator | None, device: torch.device
) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.float32, device=device).exponential_(generator=generator)


__all__ = [
    "AutoregressivePatchHead",
    "CausalSlotLinear",
    "GroupGlyphs",
    "SlotLinear",
    "gumbel_noise",
    "log_not",
]
