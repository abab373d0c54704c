"""Whether an exported file is the model that was trained: the comparison that ends every export.

For int8 the largest difference says little: one activation that rounds to the other side is amplified by the layers
above, and torch differs from itself as much when only its matrix kernel changes. So int8 is held to the labels, the
F1 and the *median* difference; fp16, which rounds every weight, to the labels and the F1; fp32 to the largest.

Where an activation of a piece that every sentence has lies right between two integers, or sentences are so long that
most have one that does, even the median is that of another kernel. Then the model in float64 is what the file is held
to, and how far float32 is from that says how near it must be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sparsebuild.errors import TargetFailed
from sparsebuild.exporters import FLOATS
from sparsebuild.exporters.cpu import caution

__all__ = ["Agreement", "check", "compare"]

SMALLEST_AGREEMENT = 0.999
LARGEST_F1_DIFFERENCE = 0.005  # five words of 15,700 that sat on a tie moved a small model's F1 by 0.0032
FEWEST = 2  # words and entities that may always fare otherwise: of few rows, one is more than the bounds above
LARGEST_DIFFERENCE = 1e-4  # of logits: the median for int8, the largest for fp32
_TIMES_NOISE = 2  # a difference from float64 is about that of float32, be it the file's or torch's

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


def check(
    found: Agreement, scheme: str, *, words: int, entities: int, exact: Callable[[], tuple[Agreement, Agreement]]
) -> tuple[Agreement, Agreement | None]:
    """Raise TargetFailed with every bound that does not hold for a file of this scheme; else what holds.

    `words` were compared, and `entities` are those that the F1 was measured on. An int8 file that is not near enough to
    its model in float32 is compared with it in float64: `exact` gives how the file differs from that, and how the model
    in float32 does, of which the file may have twice as much. Both are returned where that decided.
    """
    broken = _broken(found, scheme, words, entities, None)
    itself = None
    if broken and scheme not in FLOATS:
        found, itself = exact()
        broken = _broken(found, scheme, words, entities, itself)
    if broken:
        raise TargetFailed(
            "the exported file is not the model that was trained:\n  " + "\n  ".join(broken),
            hint=caution(scheme) or _FAULT,
        )
    return found, itself


def _broken(found: Agreement, scheme: str, words: int, entities: int, itself: Agreement | None) -> list[str]:
    """The bounds that do not hold, in words."""
    noise = itself or Agreement(
        agreement=1.0, f1_difference=0.0, median_logit_difference=0.0, largest_logit_difference=0.0
    )
    largest_f1_difference = max(
        LARGEST_F1_DIFFERENCE, FEWEST / max(entities, 1), _TIMES_NOISE * abs(noise.f1_difference)
    )
    smallest_agreement = min(
        SMALLEST_AGREEMENT, 1 - FEWEST / max(words, FEWEST), 1 - _TIMES_NOISE * (1 - noise.agreement)
    )
    largest_median = max(LARGEST_DIFFERENCE, _TIMES_NOISE * noise.median_logit_difference)
    labels = [
        ("argmax agreement", found.agreement, ">=", smallest_agreement),
        ("difference of F1", abs(found.f1_difference), "<=", largest_f1_difference),
    ]
    if scheme == "fp32":
        bounds = [("largest difference of logits", found.largest_logit_difference, "<", LARGEST_DIFFERENCE)]
    elif scheme == "fp16":
        bounds = labels
    else:
        bounds = [*labels, ("median difference of logits", found.median_logit_difference, "<", largest_median)]
    return [
        f"{name} is {value:.6g}, must be {sign} {limit:g}"
        for name, value, sign, limit in bounds
        if not (value >= limit if sign == ">=" else value <= limit)
    ]
