# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Muon for the matrices of the decoder, AdamW for everything else, as one optimiser that `Trainer` takes.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) replaces the momentum of a weight matrix by the
nearest matrix with orthogonal rows, found by a few Newton-Schulz steps. `torch.optim.Muon` (PyTorch 2.9) takes these in
bfloat16, which a CPU without instructions for it computes eight times slower than float32, and it knows no other
parameters; the lower bound of this package has none. Here the steps are taken in bfloat16 on accelerators and in
float32 on a CPU, all matrices of one shape together.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

# Coefficients of the quintic iteration, from the source above: steep at zero, so that few steps suffice.
_QUINTIC = (3.4445, -4.7750, 2.0315)


class MuonAdamW(torch.optim.Optimizer):
    """Muon for groups with `use_muon=True`, AdamW for the others.

    Args:
        params: parameter groups, see [`muon_groups`]; all parameters of a Muon group are matrices.
        lr: learning rate of groups that have none of their own.
        momentum: of Muon.
        ns_steps: Newton-Schulz steps of Muon.
        betas: of AdamW.
        eps: of AdamW.
        weight_decay: decoupled, times the learning rate.

    Raises:
        ValueError: for a Muon group with anything but matrices.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0.95,
        ns_steps: int = 5,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-10,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "ns_steps": ns_steps,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "use_muon": False,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            if group["use_muon"] and any(parameter.dim() != 2 for parameter in group["params"]):
                raise ValueError("Muon acts on matrices; give other parameters to a group without use_muon.")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step, see `torch.optim.Optimizer.step`."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            (self._muon if group["use_muon"] else self._adamw)(group, parameters)
        return loss

    def _muon(self, group: dict[str, Any], parameters: list[torch.Tensor]) -> None:
        alike: dict[tuple[Any, ...], list[tuple[torch.Tensor, torch.Tensor]]] = {}
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            buffer = state["momentum_buffer"].lerp_(parameter.grad, 1 - group["momentum"])
            update = parameter.grad.lerp(buffer, group["momentum"])  # type: ignore[union-attr]  # Nesterov
            wide = update if update.shape[0] <= update.shape[1] else update.T
            alike.setdefault((wide.shape, wide.device, wide.dtype), []).append((parameter, wide))
        for found in alike.values():
            updates = orthogonalise(torch.stack([wide for _, wide in found]), group["ns_steps"])
            for (parameter, _), update in zip(found, updates, strict=True):
                rows, columns = parameter.shape
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                step = update if rows <= columns else update.T
                parameter.add_(step.to(parameter), alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)

    def _adamw(self, group: dict[str, Any], parameters: list[torch.Tensor]) -> None:
        beta1, beta2 = group["betas"]
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = 0
                state["exp_avg"], state["exp_avg_sq"] = (
                    torch.zeros_like(parameter),
                    torch.zeros_like(parameter),
                )
            state["step"] += 1
            gradient = parameter.grad
            state["exp_avg"].lerp_(gradient, 1 - beta1)
            state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            scale = (1 - beta2 ** state["step"]) ** 0.5
            denominator = state["exp_avg_sq"].sqrt().div_(scale).add_(group["eps"])
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.addcdiv_(
                state["exp_avg"], denominator, value=-group["lr"] / (1 - beta1 ** state["step"])
            )


def orthogonalise(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Matrices `[n, rows, columns]`, rows <= columns, with their singular values brought near 1."""
    a, b, c = _QUINTIC
    states = matrices if matrices.device.type == "cpu" else matrices.bfloat16()
    states = states / (states.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = states @ states.mT
        states = torch.baddbmm(states, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), states, beta=a)
    return states


def muon_groups(
    model: nn.Module,
    muon_lr: float = 0.02,
    lr: float = 1e-3,
    memory_lr: float = 3e-3,
    weight_decay: float = 0.1,
    muon_weight_decay: float = 0.05,
) -> list[dict[str, Any]]:
    """Parameter groups of a model for [`MuonAdamW`].

    Args:
        model: its decoder's matrices (all below a `layers` list of the backbone, and those between the parts of a
            patch) go to Muon; embeddings, heads, norms and biases to AdamW; what is remembered of patches and tokens
            has a learning rate of its own.
        muon_lr: learning rate of Muon.
        lr: of AdamW.
        memory_lr: of embeddings by index.
        weight_decay: of AdamW's matrices; vectors and embeddings by index have none.
        muon_weight_decay: of Muon.
    """
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    embeddings: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        parts = name.split(".")
        is_backbone = "layers" in parts and not any("head" in part for part in parts)
        is_backbone = (
            is_backbone or "next_parts" in parts
        )  # as wide as the decoder's, and as deep in the network
        if id(parameter) in tables:
            embeddings.append(parameter)
        elif parameter.dim() == 2 and is_backbone:
            matrices.append(parameter)
        else:
            (others if parameter.dim() > 1 else vectors).append(parameter)
    groups = [
        {"params": matrices, "use_muon": True, "lr": muon_lr, "weight_decay": muon_weight_decay},
        {"params": others, "lr": lr, "weight_decay": weight_decay},
        {"params": embeddings, "lr": memory_lr, "weight_decay": 0.0},
        {"params": vectors, "lr": lr, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


__all__ = ["MuonAdamW", "muon_groups", "orthogonalise"]
