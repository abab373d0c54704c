"""What a student loses by differing from its teacher: in what it says, and in what it thinks on the way."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import kl_div, log_softmax, mse_loss, softmax

__all__ = ["distillation_loss", "feature_loss", "hidden_state_loss", "matched_layers"]


def distillation_loss(
    student: Tensor,  # (pieces, labels) logits, padding already removed
    teacher: Tensor,  # (pieces, labels) logits, no gradient
    temperature: float,  # > 0; larger is softer
) -> Tensor:  # () mean over pieces, in nats; 0 if there is no piece
    """KL(teacher ‖ student) at a temperature, times T² so that its gradient keeps its scale (Hinton 2015, section 2).

    T² · Σ softmax(y/T) · (log softmax(y/T) - log softmax(x/T)) / pieces: SparseML's formula, which divides by all
    positions, padding included; here the caller says which ones count.
    """
    said = log_softmax(student.float() / temperature, dim=-1)
    wanted = softmax(teacher.float() / temperature, dim=-1)
    return kl_div(said, wanted, reduction="sum") / max(student.shape[0], 1) * temperature**2


def hidden_state_loss(
    student: Sequence[Tensor],  # one (pieces, width) per layer, padding already removed
    teacher: Tensor,  # (layers, pieces, width), no gradient
) -> Tensor:  # () sum over layers of the mean squared difference
    """Σ over layers of mean((s - t)²): TinyBERT's hidden-state term (Jiao 2020, equation 8) without a projection."""
    layers = [mse_loss(s.float(), t.float()) for s, t in zip(student, teacher, strict=True)]
    return sum(layers[1:], start=layers[0])


def matched_layers(student: int, teacher: int) -> tuple[int, ...]:
    """For each of the student's layers, from 0, the teacher's that it learns from: ⌈(i + 1) · teacher / student⌉ - 1.

    Evenly spread, and the last from the last: TinyBERT's uniform mapping (Jiao 2020, section 4.2), which is the
    identity for equal depths.
    """
    return tuple(-(-(i + 1) * teacher // student) - 1 for i in range(student))


def feature_loss(
    student: Tensor,  # (…, width) what a layer gave, projected to the teacher's width
    teacher: Tensor,  # the same shape, no gradient
    *,
    is_normalized: bool,  # relative to the size of what the teacher gave
    epsilon: float,
) -> Tensor:  # () ≥ 0
    """mean((s - t)²), divided by mean(t²) + ε where it is normalized: SparseML's per-layer term."""
    goal = teacher.float()
    difference = mse_loss(student.float(), goal)
    return difference / (goal.square().mean() + epsilon) if is_normalized else difference
