"""AdamW as TrainingArguments describe it, with its state under the parameters' names."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sparsebuild.training.settings import Settings

__all__ = ["adamw", "load_optimizer", "named_state"]

_STATE = ("exp_avg", "exp_avg_sq", "step")


def adamw(model: nn.Module, settings: Settings) -> torch.optim.AdamW:
    """AdamW (Loshchilov 2019); weight decay on matrices only, none on biases and norms."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
        fused=True,
    )


def named_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and step counts as `<parameter>.<moment>`."""
    return {
        f"{name}.{key}": optimizer.state[parameter][key]
        for name, parameter in model.named_parameters()
        if parameter in optimizer.state
        for key in _STATE
    }


def load_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]) -> None:
    """Take `named_state` back."""
    for name, parameter in model.named_parameters():
        if f"{name}.step" in state:
            moments = {key: state[f"{name}.{key}"] for key in _STATE}
            optimizer.state[parameter] = {k: v.to(parameter.device, copy=True) for k, v in moments.items()}
