# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Looking seldom whether rows have stopped, as on accelerators, changes nothing but how often one waits for them."""

from typing import Any

import pytest
import torch
from tools.generation import Recorder, build_model, counted, force_eos, pad, random_strips
from transformers import CompileConfig

from pixel_ar.models.pixel_ar.generation import decoding, writer

DRAWN = 11


def seldom(monkeypatch: pytest.MonkeyPatch, every: int = 4) -> None:
    """As if the device were none that answers at once."""
    look = writer._look_every

    def look_every(request: Any, device: torch.device) -> int:
        return every if look(request, torch.device("meta")) > 1 else 1

    monkeypatch.setattr(writer, "_look_every", look_every)


@pytest.mark.parametrize("stops", [[2, 5], [0, 0], [None, 3], [DRAWN - 1, 9], [None, None]])
@pytest.mark.parametrize("with_prefix", [False, True])
@torch.no_grad()
def test_stopping_late_gives_the_same_strips(
    stops: list[int | None], with_prefix: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    strips, mask = pad([random_strips(1, 5), random_strips(1, 3, seed=2)], "left")
    options: dict[str, Any] = {"attention_mask": mask, "max_new_patches": DRAWN}
    if with_prefix:
        options["num_columns"] = torch.tensor([37, 24])
        stops = [
            None if stops[0] is None else max(stops[0], 1),
            stops[1],
        ]  # its first has white from the prompt
    written, reads = [], []
    for late in (False, True):
        with monkeypatch.context() as patched:
            if late:
                seldom(patched)
            model = build_model()
            force_eos(model, stops)
            passes, stop_counting = counted(model)
            written.append(model.generate(strips, **options))
            stop_counting()
            reads.append(len(passes))
    assert torch.equal(*written)
    last = max(DRAWN if stop is None else stop + 1 for stop in stops)
    assert reads[0] <= last + with_prefix and reads[0] <= reads[1] < reads[0] + 4
    assert reads[1] <= DRAWN + with_prefix  # never more than there is room for


@torch.no_grad()
def test_what_is_seen_is_not_drawn_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams, stopping criteria and returned steps are exact on every device."""
    seldom(monkeypatch)
    strips = random_strips(1, 4)
    model = build_model()
    force_eos(model, [1])
    recorder = Recorder()
    model.generate(strips, max_new_patches=DRAWN, streamer=recorder)
    assert len(recorder.patches) == 2
    model = build_model()
    force_eos(model, [1])
    out = model.generate(strips, max_new_patches=DRAWN, return_dict_in_generate=True, output_logits=True)
    assert len(out.logits) == 2 and out.past_key_values.get_seq_length() == 5
    calls: list[int] = []

    def criterion(ids: torch.Tensor, patch: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        calls.append(ids.shape[1])
        return torch.tensor([len(calls) == 3])

    model = build_model()
    model.generate(strips, max_new_patches=DRAWN, stop_at_eos=False, stopping_criteria=[criterion])
    assert calls == [5, 6, 7]


def test_only_accelerators_are_asked_seldom() -> None:
    class Request:
        streamer = None
        criteria: list[Any] = []

        class config:
            return_dict_in_generate = False

    request: Any = Request()
    assert writer._look_every(request, torch.device("cpu")) == 1
    assert writer._look_every(request, torch.device("cuda")) == writer.LOOK_EVERY > 1


@torch.no_grad()
def test_masks_grow_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    strips, mask = pad([random_strips(1, 5), random_strips(1, 3, seed=2)], "left")
    written = []
    for room in (decoding.ROOM, 2):
        monkeypatch.setattr(decoding, "ROOM", room)
        written.append(
            build_model().generate(strips, attention_mask=mask, max_new_patches=7, stop_at_eos=False)
        )
    assert torch.equal(*written)


def graphs_of() -> tuple[list[int], Any]:
    """A backend that counts the graphs it is given and runs them as they are."""
    graphs: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Any]) -> Any:
        graphs.append(len(list(graph.graph.nodes)))
        return graph.forward

    return graphs, backend


@pytest.mark.parametrize("patch_size", [(8, 8), (16, 16)])
@torch.no_grad()
def test_the_whole_step_is_one_compiled_call(patch_size: tuple[int, int]) -> None:
    """The decoder and the head with all its bytes; the second call of `generate` compiles nothing."""
    graphs, backend = graphs_of()
    model, strips = build_model(patch_size), random_strips(2, 4, patch_size)
    ways: list[dict[str, Any]] = [{}, {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.9}]
    for number, way in enumerate(ways):
        options = {"max_new_patches": 5, "stop_at_eos": False, **way}
        static = {
            "cache_implementation": "static",
            "compile_config": CompileConfig(backend=backend, fullgraph=True, mode=None),
        }
        wanted = model.generate(strips, generator=torch.Generator().manual_seed(3), **options)
        for _ in range(2):
            found = model.generate(strips, generator=torch.Generator().manual_seed(3), **options, **static)
            assert torch.equal(found, wanted)
            assert len(graphs) == 1 + number  # one of each way to draw


@torch.no_grad()
def test_what_may_look_at_anything_is_not_compiled() -> None:
    """A processor of one's own, a prefix and a ban of the EOS patch draw as they do without compiling."""
    graphs, backend = graphs_of()
    model, strips = build_model(), random_strips(1, 4)
    seen: list[int] = []

    def own(written: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        seen.append(written.shape[1])
        return scores

    static = {
        "cache_implementation": "static",
        "compile_config": CompileConfig(backend=backend, fullgraph=True, mode=None),
    }
    options = {"max_new_patches": 4, "stop_at_eos": False}
    wanted = model.generate(strips, **options)
    assert torch.equal(model.generate(strips, **options, **static, logits_processor=[own]), wanted)
    assert len(seen) == 4 * 8 and len(graphs) == 1
    wanted = model.generate(strips, max_new_patches=4, min_new_patches=4)
    assert torch.equal(model.generate(strips, max_new_patches=4, min_new_patches=4, **static), wanted)
    assert len(graphs) == 1
    out = model.generate(
        strips,
        **options,
        **static,
        return_dict_in_generate=True,
        output_scores=True,
        output_hidden_states=True,
    )
    assert len(graphs) == 1 and len(out.scores) == 4  # states that are kept are not computed by compiled code
