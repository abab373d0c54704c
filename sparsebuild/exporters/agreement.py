"""Whether an exported file is the model that was trained: the comparison that ends every export.

For int8 the largest difference says little: one activation that rounds to the other side is amplified by the layers
above, and torch differs from itself as much when only its matrix kernel changes. So int8 is held to the labels, the
F1 and the *median* difference, or, where sentences are so long that most have such an activation, to what the model
differs from itself in another precision; fp16, which rounds every weight, to the labels and the F1; fp32 to the
largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsebuild.errors import TargetFailed
from sparsebuild.exporters.cpu import caution

__all__ = ["Agreement", "check", "compare", "needs_noise"]

SMALLEST_AGREEMENT = 0.999
LARGEST_F1_DIFFERENCE = 0.005  # five words of 15,700 that sat on a tie moved a small model's F1 by 0.0032
FEWEST = 2  # words and entities that may always fare otherwise: of few rows, one is more than the bounds above
LARGEST_DIFFERENCE = 1e-4  # of logits: the median for int8, the largest for fp32
_TIMES_NOISE = 2

# Ranges of one or two batches are small fractions of each other, which puts many values right between two integers.
_FAULT = (
    "train some more steps after quantization begins: ranges seen in a few batches leave values right between two "
    "integers, which torch and the runtime round as it comes; if that is no help, please report it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How an ONNX file compares with its model on the validation set, over the first piece of every word."""

    agreement: float  # share of words with the same best label, 0 to 1
    f1_difference: float  # F1 of the file minus F1 of the model
    median_logit_difference: float  # over sentences, of the largest difference within each
    largest_logit_difference: float


def compare(model: Sequence[np.ndarray], file: Sequence[np.ndarray], f1_difference: float) -> Agreement:
    """Compare logits sentence by sentence: two lists of (words, labels). Raises TargetFailed where they are no numbers,
    since a label that is the best of none says nothing.
    """
    pairs = [(a, b) for a, b in zip(model, file, strict=True) if len(a)]
    broken = sum(not np.isfinite(b).all() for _, b in pairs)
    if broken:
        raise TargetFailed(
            f"the exported file gives logits that are no numbers for {broken} of {len(pairs)} validation sentences",
            hint="float16 ends at 65,504, which a layer of this model may pass: take another scheme than `fp16`",
        )
    same = np.concatenate([a.argmax(-1) == b.argmax(-1) for a, b in pairs])
    differences = np.array([np.abs(a - b).max() for a, b in pairs])
    return Agreement(
        agreement=float(same.mean()),
        f1_difference=f1_difference,
        median_logit_difference=float(np.median(differences)),
        largest_logit_difference=float(differences.max()),
    )


def needs_noise(found: Agreement, scheme: str) -> bool:
    """Whether the verdict on a file depends on how far its model differs from itself."""
    return scheme not in ("fp32", "fp16") and found.median_logit_difference > LARGEST_DIFFERENCE


def check(found: Agreement, scheme: str, *, words: int, entities: int, noise: float = 0.0) -> None:
    """Raise TargetFailed with every bound that does not hold for a file of this scheme.

    `words` were compared, and `entities` are those that the F1 was measured on. `noise` is the median difference of
    logits between the model in float32 and itself in float64: of what that is, a file may have twice as much.
    """
    largest_f1_difference = max(LARGEST_F1_DIFFERENCE, FEWEST / max(entities, 1))
    smallest_agreement = min(SMALLEST_AGREEMENT, 1 - FEWEST / max(words, FEWEST))
    labels = [
        ("argmax agreement", found.agreement, ">=", smallest_agreement),
        ("difference of F1", abs(found.f1_difference), "<=", largest_f1_difference),
    ]
    if scheme == "fp32":
        bounds = [("largest difference of logits", found.largest_logit_difference, "<", LARGEST_DIFFERENCE)]
    elif scheme == "fp16":
        bounds = labels
    else:
        largest = max(LARGEST_DIFFERENCE, _TIMES_NOISE * noise)
        bounds = [*labels, ("median difference of logits", found.median_logit_difference, "<", largest)]
    broken = [
        f"{name} is {value:.6g}, must be {sign} {limit:g}"
        for name, value, sign, limit in bounds
        if not (value >= limit if sign == ">=" else value <= limit)
    ]
    if broken:
        raise TargetFailed(
            "the exported file is not the model that was trained:\n  " + "\n  ".join(broken),
            hint=caution(scheme) or _FAULT,
        )
