# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Two processes on a CPU (gloo): a checkpoint split by its tensor-parallel plan does what the whole one does."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from tools.distributed import leave
from transformers.distributed import DistributedConfig

from pixel_ar import PixelARConfig, PixelARForCausalLM

WORLD = 2
HEADS = ("autoregressive", "bernoulli")


def save_model(head: str, folder: Path) -> None:
    torch.manual_seed(0)
    config = PixelARConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        patch_size=(8, 8),
        patch_head=head,
        vocab_size=12,
        bos_token_id=1,
    )
    PixelARForCausalLM(config).save_pretrained(folder / head)


def outputs(model: PixelARForCausalLM) -> dict[str, torch.Tensor]:
    pixels = torch.randint(0, 2, (2, 1, 8, 32), generator=torch.Generator().manual_seed(1)).float()
    tokens = torch.randint(2, 12, (2, 5), generator=torch.Generator().manual_seed(2))
    model.eval()
    with torch.no_grad():
        states = model.model(pixel_values=pixels).last_hidden_state
        logits = model(input_ids=tokens).logits
        strip = model.generate(pixel_values=pixels, max_new_patches=4, do_sample=False)
    return {"states": states, "logits": logits, "strip": strip}


def run_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=WORLD)
    for head in HEADS:
        plan = DistributedConfig(tp_size=WORLD, tp_plan="auto")
        model = PixelARForCausalLM.from_pretrained(Path(folder, head), distributed_config=plan)
        found = outputs(model)
        weight = model.model.layers[0].self_attn.q_proj.weight
        found["rows"] = torch.tensor(getattr(weight, "to_local", lambda weight=weight: weight)().shape[0])
        torch.save(found, Path(folder, f"{head}-{rank}.pt"))
    leave(rank, WORLD, Path(folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parallel")
    for head in HEADS:
        save_model(head, folder)
    mp.spawn(run_rank, args=(str(folder),), nprocs=WORLD, join=True)
    return folder


@pytest.mark.parametrize("head", HEADS)
def test_two_ranks_are_one_model(head: str, folder: Path) -> None:
    expected = outputs(PixelARForCausalLM.from_pretrained(folder / head))
    for rank in range(WORLD):
        found = torch.load(folder / f"{head}-{rank}.pt", weights_only=True)
        assert found["rows"] == 16, "each rank holds half of the heads"
        torch.testing.assert_close(found["states"], expected["states"], atol=1e-5, rtol=0)
        torch.testing.assert_close(found["logits"], expected["logits"], atol=1e-5, rtol=0)
        assert torch.equal(found["strip"], expected["strip"])
