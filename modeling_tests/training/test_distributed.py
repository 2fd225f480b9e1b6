# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Two processes on a CPU (gloo): a dual-head model trains under DDP although its ranks meet batches of other kinds."""

import os
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from tools.distributed import leave
from torch.nn.parallel import DistributedDataParallel

from pixel_ar import PixelARConfig, PixelARForCausalLM

WORLD = 2


def build(patch_head: str) -> PixelARForCausalLM:
    torch.manual_seed(0)
    config = PixelARConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        patch_size=(8, 8),
        patch_head=patch_head,
        patch_embedding_norm=True,
        vocab_size=11,
        bos_token_id=1,
    )
    return PixelARForCausalLM(config).train()


def batches(kind: str) -> dict[str, torch.Tensor]:
    pixels = torch.randint(0, 2, (2, 1, 8, 32), generator=torch.Generator().manual_seed(1)).float()
    tokens = torch.randint(2, 11, (2, 5), generator=torch.Generator().manual_seed(2))
    patch_labels = torch.zeros(2, 4, dtype=torch.int64)
    if kind == "pixel":
        return {"pixel_values": pixels, "labels": patch_labels}
    if kind == "token":
        return {"input_ids": tokens, "labels": tokens}
    return {"pixel_values": pixels, "input_ids": tokens, "labels": torch.cat([patch_labels, tokens], dim=1)}


def run_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=WORLD)
    for head in ("autoregressive", "bernoulli", "regression"):
        model = build(head)
        parallel = DistributedDataParallel(model)
        # Each rank meets every kind, and never the same as the other rank.
        for step, kind in enumerate(("pixel", "token", "pair", "pixel")):
            kinds = ("pixel", "token", "pair")
            mine = kind if rank == 0 else kinds[(kinds.index(kind) + 1 + step % 2) % 3]
            model.zero_grad()
            parallel(**batches(mine)).loss.backward()
            assert all(parameter.grad is not None for parameter in model.parameters())
        gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
        torch.save(gradients, os.path.join(folder, f"{head}-{rank}.pt"))
    leave(rank, WORLD, Path(folder))


def test_batches_of_different_kinds(tmp_path: Path) -> None:
    mp.spawn(run_rank, args=(str(tmp_path),), nprocs=WORLD, join=True)
    for head in ("autoregressive", "bernoulli", "regression"):
        first, second = (
            torch.load(tmp_path / f"{head}-{rank}.pt", weights_only=True) for rank in range(WORLD)
        )
        model = build(head)
        # The last step: pixels on one rank, tokens or a pair on the other; DDP averages.
        (model(**batches("pixel")).loss + model(**batches("pair")).loss).backward()
        worst = 0.0
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(first[name], second[name], atol=0, rtol=0)
            expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad / WORLD
            worst = max(worst, float((first[name] - expected).abs().max()))
        print(f"\n{head}: gradients of two ranks deviate from one process by {worst:.1e}")
        assert worst < 1e-6
