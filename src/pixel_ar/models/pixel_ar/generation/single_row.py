# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Linear layers of a single row on several CPU threads.

Generating one strip multiplies every weight matrix with one vector. The BLAS libraries that PyTorch ships with leave
that to one thread, so the other cores idle while one waits for memory. A batched product of the matrix's halves (or
thirds, ...) is the same arithmetic, and its batches do run on different threads; `examples/benchmarks/generation.py`
has the gain.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

# Below this many weights the dispatch costs more than a second thread brings.
SMALLEST_MATRIX = 2**16


class SplitSingleRows(TorchFunctionMode):
    """While active, float32 linear layers on single rows are split among threads. It does not touch the modules.

    Args:
        num_threads: into how many parts a matrix is cut at most.
    """

    def __init__(self, num_threads: int) -> None:
        super().__init__()
        self.num_threads = num_threads

    def __torch_function__(
        self, func: Callable, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.linear and not kwargs and _is_single_row(*args[:2]):
            parts = self._parts(args[1].shape[0])
            if parts > 1:
                return _split_product(args[0], args[1], args[2] if len(args) > 2 else None, parts)
        return func(*args, **(kwargs or {}))

    def _parts(self, num_rows: int) -> int:
        return next(parts for parts in range(self.num_threads, 0, -1) if num_rows % parts == 0)


def _is_single_row(inputs: torch.Tensor, weight: torch.Tensor) -> bool:
    return (
        inputs.numel() == weight.shape[-1]
        and weight.numel() >= SMALLEST_MATRIX
        and inputs.dtype == weight.dtype == torch.float32
        and weight.is_contiguous()
    )


def _split_product(
    inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, parts: int
) -> torch.Tensor:
    """`F.linear` of one row, `[..., in]` to `[..., out]`."""
    row = inputs.reshape(1, 1, -1).expand(parts, 1, -1)
    product = torch.bmm(row, weight.view(parts, -1, weight.shape[-1]).transpose(1, 2))
    product = product.view(*inputs.shape[:-1], -1)
    return product if bias is None else product + bias


def split_single_rows(num_rows: int, device: torch.device) -> AbstractContextManager:
    """The mode where it can help: one row, on a CPU with several threads, outside of compiled code."""
    threads = torch.get_num_threads()
    if num_rows != 1 or device.type != "cpu" or threads < 2 or torch.compiler.is_compiling():
        return nullcontext()
    return SplitSingleRows(threads)


__all__ = ["SplitSingleRows", "split_single_rows"]
