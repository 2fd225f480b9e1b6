# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The dictionary patch head: one decision for a whole patch, with an escape for all others.

A softmax over the entries of a patch dictionary and an escape; after the escape, the `autoregressive` head draws the
patch byte by byte (or glyph by glyph), so that every patch stays possible. The vector of an entry is what the patch
embedding makes of its pixels plus what the model remembers of it, as at the input: entries that look alike begin alike.

An entry can be drawn in two ways, as itself and by the escape. `log_prob` adds both, so it is exact; `loss` in training
counts the first alone, an upper bound that is cheaper and that keeps the escape for what is no entry.

Shapes: N patches, D hidden size, P values per patch, S bytes per patch, V entries.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import nn

from ..configuration_pixel_ar import PixelARConfig
from ..dictionary import ALL_INK, PatchMemory
from ..patching import bytes_to_patches, patches_to_bytes
from .autoregressive import AutoregressivePatchHead, gumbel_noise, log_not
from .base import DrawInputs, Generators, PatchHead, PatchSample, Warp

# Rows whose scores over all entries are held at once; 1,024 x 16,384 float32 are 64 MB.
_ROWS_AT_ONCE = 1024

# Tables kept while patches are drawn, by the head they belong to; every thread has its own.
_TABLES: ContextVar[dict[int, torch.Tensor] | None] = ContextVar("pixel_ar_entry_tables", default=None)

NO_DICTIONARY = (
    "the model has no patch dictionary yet: call model.set_patch_dictionary(PatchDictionary.fit(...)), or load a "
    "trained checkpoint with from_pretrained."
)


class EntryScores(nn.Module):
    """Logits of the entries and of the escape.

    Args:
        config: its `dictionary_size` is V.
    """

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__()
        number = int(config.dictionary_size or 0)
        self.query = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.escape = nn.Parameter(torch.zeros(1, config.hidden_size))
        self.bias = nn.Parameter(torch.zeros(number + 1))

    def forward(
        self, hidden_states: torch.Tensor, table: torch.Tensor, entries: torch.Tensor | None = None
    ) -> torch.Tensor:
        """States `[..., D]` and vectors `[v, D]` to logits `[..., v + 1]`, the escape last.

        Args:
            hidden_states: states of the decoder.
            table: vectors of entries.
            entries: `[v]`, which entries these are; `None` for all.
        """
        queries = self.query(hidden_states)
        bias = self.bias if entries is None else torch.cat([self.bias[entries], self.bias[-1:]])
        # The table is not copied to make room for one more row: that would take longer than the product.
        return torch.cat([F.linear(queries, table), F.linear(queries, self.escape)], dim=-1) + bias

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"entries={self.bias.shape[0] - 1}"


class DictionaryPatchHead(PatchHead):
    """Distribution of a 1-bit patch over a dictionary, and over everything else through an escape.

    `connect` gives it the patch embedding, whose memory holds the dictionary.
    """

    def __init__(self, config: PixelARConfig) -> None:
        super().__init__(config)
        self.patch_size = config.part_size
        self.config = config
        self.frequent_entries = config.dictionary_frequent_entries
        self.sampled_entries = config.dictionary_sampled_entries
        self.scores = EntryScores(config)
        self.escape = AutoregressivePatchHead(config)
        self._linked: tuple[nn.Module, ...] = ()

    def connect(self, embedding: nn.Module) -> None:
        """Tells which patch embedding this head shares its entries with; it stays a part of the decoder alone."""
        self._linked = (embedding,)

    @property
    def memory(self) -> PatchMemory:
        """The memory of the patch embedding."""
        return self._linked[0].memory  # type: ignore[return-value]

    @property
    def num_entries(self) -> int:
        """V."""
        return self.memory.num_entries

    # ---- vectors of the entries ----

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """See [`PatchHead.drawing`]: within it the table of all entries is built once."""
        token = _TABLES.set({})
        try:
            yield
        finally:
            _TABLES.reset(token)

    def table(self, entries: torch.Tensor | None = None) -> torch.Tensor:
        """Vectors of the given entries, or of all: `[v, D]`.

        Inside [`drawing`], without gradients, the table of all entries is kept; no table outlives its call of
        `generate`, so none is older than the weights.
        """
        tables = _TABLES.get()
        if entries is not None or tables is None or self.training or torch.is_grad_enabled():
            return self._draw_table(entries)
        if id(self) not in tables:
            tables[id(self)] = self._draw_table(None)
        return tables[id(self)]

    def vectors(self, patches: torch.Tensor) -> torch.Tensor:
        """What the patch embedding makes of patches `[N, P]` as wide as an entry: `[N, D]`."""
        return self._linked[0].vectors(patches)  # type: ignore[operator]

    def _draw_table(self, entries: torch.Tensor | None) -> torch.Tensor:
        embedding, memory = self._linked[0], self.memory
        if entries is None:
            entries = torch.arange(memory.num_entries, device=memory.entries.device)
        pixels = bytes_to_patches(memory.entries[entries].to(torch.int64), self.patch_size)
        seen = embedding.embed(pixels)  # type: ignore[operator]
        return seen + memory.embedding(entries)

    # ---- probabilities ----

    def logits(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Logits of every entry and of the escape: `[..., D]` to `[..., V + 1]`."""
        return self.scores(hidden_states, self.table())

    def log_prob(
        self, hidden_states: torch.Tensor, patches: torch.Tensor, num_columns: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See [`PatchHead.log_prob`]. The first `num_columns` of a patch are exact too: all entries that begin so."""
        table = self.table()
        parts = [
            self._log_prob(
                hidden_states[start : start + _ROWS_AT_ONCE],
                patches[start : start + _ROWS_AT_ONCE],
                None if num_columns is None else num_columns[start : start + _ROWS_AT_ONCE],
                table,
            )
            for start in range(0, len(hidden_states), _ROWS_AT_ONCE)
        ]
        return torch.cat(parts) if parts else hidden_states.new_zeros(0, dtype=torch.float32)

    def _log_prob(
        self,
        hidden_states: torch.Tensor,
        patches: torch.Tensor,
        num_columns: torch.Tensor | None,
        table: torch.Tensor,
    ) -> torch.Tensor:
        column_bytes = patches_to_bytes(patches, self.patch_size)
        log_probs = self.scores(hidden_states, table).float().log_softmax(-1)
        drawn = log_probs[:, -1] + self.escape.log_prob(hidden_states, patches, num_columns)
        entry = self.memory.index(column_bytes).to(log_probs.device)
        padded = F.pad(log_probs[:, :-1], (0, 1), value=float("-inf"))
        known = padded.gather(1, entry[:, None])[:, 0]
        if num_columns is not None:
            is_part = num_columns < self.patch_size[1]
            if bool(is_part.any()):
                begins = self._begins_with(column_bytes[is_part], num_columns[is_part]).to(log_probs.device)
                among = log_probs[is_part, :-1].masked_fill(~begins, float("-inf")).logsumexp(-1)
                known = known.index_put((is_part.to(known.device).nonzero()[:, 0],), among)
        # An absent entry must not send NaN through the gradient of logaddexp.
        is_known = known > float("-inf")
        both = torch.logaddexp(torch.where(is_known, known, drawn), drawn)
        return torch.where(is_known, both, drawn)

    def loss(self, hidden_states: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """In evaluation the exact negative log-probability, `[N]`; in training the bound described above.

        In training with `dictionary_sampled_entries`, the sum over the rare entries is estimated from so many of them,
        the same for all patches, drawn anew each time (importance sampling, Bengio and Senecal 2003).

        Raises:
            ValueError: before the model has a dictionary.
        """
        if self.config.dictionary_sha256 is None:
            raise ValueError(NO_DICTIONARY)
        if not self.training:
            return super().loss(hidden_states, patches)
        column_bytes = patches_to_bytes(patches, self.patch_size)
        entry = self.memory.index(column_bytes).to(hidden_states.device)
        if self.sampled_entries is None:
            logits, target = self.logits(hidden_states), entry
        else:
            logits, target = self._sampled_logits(hidden_states, entry)
        nats = F.cross_entropy(logits.float(), target, reduction="none")
        # Without a branch: a batch without an escape must reach all weights too, or distributed training waits.
        is_drawn = entry == self.num_entries
        rows = is_drawn.nonzero()[:, 0]
        if not len(rows):
            return nats + 0.0 * self.escape.loss(hidden_states[:1], patches[:1]).sum()
        return nats.index_add(0, rows, self.escape.loss(hidden_states[rows], patches[rows]).to(nats))

    def _sampled_logits(
        self, hidden_states: torch.Tensor, entry: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the frequent entries, of the rare ones among the targets, of others for the rest; the targets."""
        number, frequent = self.num_entries, min(self.frequent_entries, self.num_entries)
        asked = entry[(entry >= frequent) & (entry < number)].unique()
        is_left = torch.ones(number, dtype=torch.bool, device=entry.device)
        is_left[:frequent] = False
        is_left[asked] = False
        left = is_left.nonzero()[:, 0]
        order = torch.randperm(len(left), device=entry.device)
        chosen = left[order[: int(self.sampled_entries or 0)]]
        entries = torch.cat([torch.arange(frequent, device=entry.device), asked, chosen])
        logits = self.scores(hidden_states, self.table(entries), entries)
        if len(chosen):
            weight = math.log(len(left) / len(chosen))
            stands_for = F.pad(logits.new_full((len(chosen),), weight), (len(entries) - len(chosen), 1))
            logits = logits + stands_for
        place = torch.full((number + 1,), -1, dtype=torch.int64, device=entry.device)
        place[entries] = torch.arange(len(entries), device=entry.device)
        place[number] = len(entries)
        return logits, place[entry]

    def _begins_with(self, column_bytes: torch.Tensor, num_columns: torch.Tensor) -> torch.Tensor:
        """Bool `[N, V]`: entries whose first `num_columns` `[N]` columns are those of the patches `[N, S]`."""
        entries = self.memory.entries
        size = self.patch_size[0] // 8
        rows = []
        for wanted, count in zip(column_bytes, num_columns.tolist(), strict=True):
            rows.append((entries[:, : count * size] == wanted[: count * size].to(entries)).all(-1))
        return torch.stack(rows)

    # ---- drawing ----

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
        log_ink: torch.Tensor | None = None,
    ) -> PatchSample:
        """See [`PatchHead.sample`]. `warp` acts on the choice among entries and escape, then inside the escape.

        A begun patch is continued exactly: entries that begin otherwise are out, and the escape weighs as much as its
        share of the patches that begin so. The escape stands for many patches, each of them rare, and a temperature
        below 1 must not favour it for their sum: where it wins, it is weighed again by what the warp leaves of its
        patches (`sample_weighed`; all of them without a warp, so that drawing is exact), and without `do_sample` by its
        best patch alone.

        In the rows of `no_eos`, ink alone is drawn as an entry and never spelled, with its probability times
        `exp(log_ink)` `[N]`: 0 unless it is given, as it is for a part of a patch, which may be ink if the rest is not.
        """
        logits = self.logits(hidden_states).float()
        share = logits.new_zeros(len(logits))
        if prefix is not None and prefix_columns is not None and bool((prefix_columns > 0).any()):
            share = self._share(hidden_states, prefix, prefix_columns).to(logits)
            logits = self._continue(logits, share, prefix, prefix_columns)
        allowed = logits
        if no_eos is not None:
            log_ink = torch.full_like(share, float("-inf")) if log_ink is None else log_ink.to(logits)
            allowed = self._weigh_ink(logits, hidden_states, no_eos, log_ink)
        scores = _warped(allowed, warp)
        noise = gumbel_noise(tuple(scores.shape), scores.device, generator) if do_sample else None
        weights = scores if noise is None else scores + noise
        entry = weights.argmax(-1)
        sample = PatchSample(self._entry_patches(entry).to(hidden_states.device), logits, scores)
        begun = (prefix, prefix_columns, share)
        return self._spell(hidden_states, sample, weights, entry, do_sample, warp, generator, begun, no_eos)

    @property
    def draws_without_looking(self) -> bool:
        """See [`PatchHead.draws_without_looking`]: the entry is; what the escape stands for, [`finish_draw`] spells."""
        return True

    def draw_inputs(
        self, rows: int, device: torch.device, do_sample: bool, generator: Generators | None
    ) -> DrawInputs:
        """See [`PatchHead.draw_inputs`]: noise `[N, V + 1]`, and the vectors of all entries `[V, D]`."""
        noise = gumbel_noise((rows, self.num_entries + 1), device, generator) if do_sample else None
        return noise, self.table()

    def draw(
        self, hidden_states: torch.Tensor, warp: Warp | None, inputs: DrawInputs
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """See [`PatchHead.draw`]: the entry of every row; the last one where the escape was drawn."""
        noise, table = inputs
        assert table is not None  # `draw_inputs` always has one
        logits = self.scores(hidden_states, table).float()
        scores = _warped(logits, warp)
        weights = scores if noise is None else scores + noise
        return self._entry_patches(weights.argmax(-1)).to(hidden_states.device), logits, scores

    def finish_draw(
        self,
        hidden_states: torch.Tensor,
        sample: PatchSample,
        inputs: DrawInputs,
        warp: Warp | None,
        generator: Generators | None,
    ) -> PatchSample:
        """See [`PatchHead.finish_draw`]: spells the patches of the rows that drew the escape."""
        noise = inputs[0]
        weights = sample.scores if noise is None else sample.scores + noise
        begun, do_sample = (None, None, weights.new_zeros(len(weights))), noise is not None
        entry = weights.argmax(-1)
        return self._spell(hidden_states, sample, weights, entry, do_sample, warp, generator, begun, None)

    def _spell(
        self,
        hidden_states: torch.Tensor,
        sample: PatchSample,
        weights: torch.Tensor,
        entry: torch.Tensor,
        do_sample: bool,
        warp: Warp | None,
        generator: Generators | None,
        begun: tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor],
        no_eos: torch.Tensor | None,
    ) -> PatchSample:
        """The same sample, with patches of the escape in the rows that drew it.

        Args:
            weights: `[N, V + 1]`, of which each row drew the largest.
            entry: `[N]`, where that is.
            begun: prefix, its columns, and the escape's share of what begins so `[N]`.
        """
        prefix, prefix_columns, share = begun
        rows = (entry == self.num_entries).nonzero()[:, 0]
        if not len(rows):
            return sample
        drawn, log_mass = self.escape.sample_weighed(
            hidden_states[rows],
            do_sample,
            _rows_of(warp, rows, len(weights)),
            _generators_of(generator, rows),
            None if prefix is None else prefix[rows],
            None if prefix_columns is None else prefix_columns[rows],
            None if no_eos is None else no_eos[rows.to(no_eos.device)],
        )
        own = weights[rows, -1] + log_mass.to(weights)
        if not do_sample:
            nats = self.escape.log_prob(hidden_states[rows], drawn).to(weights)
            own = weights[rows, -1] - share[rows] + nats
        best, rival = weights[rows, :-1].max(-1)
        drawn = torch.where((best > own)[:, None], self._entry_patches(rival).to(drawn), drawn)
        patches = sample.patches.index_copy(0, rows, drawn.to(sample.patches))
        return PatchSample(patches, sample.logits, sample.scores)

    def _entry_patches(self, entry: torch.Tensor) -> torch.Tensor:
        """Pixels `[N, P]` of entries `[N]`, the last one's for the escape."""
        entries = self.memory.entries
        known = entries[entry.clamp(max=self.num_entries - 1).to(entries.device)]
        return bytes_to_patches(known.to(torch.int64), self.patch_size)

    def _weigh_ink(
        self,
        logits: torch.Tensor,
        hidden_states: torch.Tensor,
        rows: torch.Tensor,
        log_weight: torch.Tensor,
    ) -> torch.Tensor:
        """Logits `[N, V + 1]` in which ink alone, as an entry and as spelled, is one entry times a weight `[N]`."""
        entries = self.memory.entries
        is_ink = F.pad((entries == ALL_INK).all(-1), (0, 1)).to(logits.device)
        ink = hidden_states.new_zeros(len(logits), entries.shape[1] * 8)
        spelled = self.escape.log_prob(hidden_states, ink).clamp(max=0).to(logits)
        weighed = torch.logaddexp(logits, (logits[:, -1] + spelled)[:, None]) + log_weight[:, None]
        allowed = torch.cat([logits[:, :-1], (logits[:, -1] + log_not(spelled))[:, None]], dim=1)
        allowed = torch.where(is_ink, weighed, allowed)
        return torch.where(rows[:, None].to(logits.device), allowed, logits)

    def _share(
        self, hidden_states: torch.Tensor, prefix: torch.Tensor, prefix_columns: torch.Tensor
    ) -> torch.Tensor:
        """Log-probability `[N]` that a patch of the escape begins as the prefix does."""
        share = self.escape.log_prob(hidden_states, prefix, prefix_columns)
        return torch.where(prefix_columns.to(share.device) > 0, share, torch.zeros_like(share))

    def _continue(
        self, logits: torch.Tensor, share: torch.Tensor, prefix: torch.Tensor, prefix_columns: torch.Tensor
    ) -> torch.Tensor:
        """Logits given the first columns: of entries that begin so, and of the escape times its share."""
        column_bytes = patches_to_bytes(prefix, self.patch_size)
        fits = self._begins_with(column_bytes, prefix_columns).to(logits.device)
        entries = logits[:, :-1].masked_fill(~fits, float("-inf"))
        return torch.cat([entries, logits[:, -1:] + share[:, None]], dim=1)


def _warped(logits: torch.Tensor, warp: Warp | None) -> torch.Tensor:
    """Scores that patches are drawn from."""
    if warp is None:
        return logits
    # Logarithms of probabilities, so that the escape is weighed on the same scale as what it draws.
    return warp(logits.new_zeros(len(logits), 0, dtype=torch.int64), logits.log_softmax(-1))


def _rows_of(warp: Warp | None, rows: torch.Tensor, number: int) -> Warp | None:
    """The same warp for some of the rows: it may know rows by their place, so it sees all of them."""
    if warp is None or len(rows) == number:
        return warp
    full: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = warp

    def narrow(written: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        all_written = written.new_zeros(number, written.shape[1]).index_copy(0, rows, written)
        all_scores = scores.new_zeros(number, scores.shape[1]).index_copy(0, rows, scores)
        return full(all_written, all_scores)[rows]

    return narrow


def _generators_of(generator: Generators | None, rows: torch.Tensor) -> Generators | None:
    if generator is None or isinstance(generator, torch.Generator):
        return generator
    return [generator[row] for row in rows.tolist()]


__all__ = ["NO_DICTIONARY", "DictionaryPatchHead", "EntryScores"]
