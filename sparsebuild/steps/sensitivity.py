"""Prune and quantize each layer of a trained model alone, and see what it does: `sensitivity.json`, and a plot
of each, `prune.svg` and `quantize.svg`.

Inputs: `model`, which may be the teacher, `labels` and `validation`. Layers are ranked by how far the answers move
(KL, in nats a word), which tells more than F1: on a few hundred sentences that moves by an entity or not at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparsebuild.engine.job import Job, Report
from sparsebuild.manifest import Sensitivity, defaults
from sparsebuild.steps.computing import begin

if TYPE_CHECKING:
    import numpy as np

__all__ = ["run"]

_WAYS = ("prune", "quantize")
_DRAWN = 24  # layers in a plot


def run(job: Job, report: Report) -> None:
    """Try both on every layer; a layer is as it was before the next one changes."""
    from sparsebuild.training.models import open_float_model
    from sparsebuild.training.structure import Structure

    settings, _ = begin(job, report)
    asked = {**defaults(Sensitivity), **job.params}
    folder = job.inputs["model"]
    structure = Structure.read(folder)
    trial = _Trial(
        model=open_float_model(folder),
        labels=json.loads(job.inputs["labels"].read_text()),
        split=_split(job, asked["sentences"]),
        batch_size=settings.per_device_eval_batch_size,
        share=asked["prune"],
        levels=structure.weight_levels if structure else 63,
    )
    found = list(trial.layers(report))
    document = {
        "model": asked["model"],
        "sentences": len(trial.split),
        "f1": trial.f1,
        "share": trial.share,
        "layers": found,
        "recipe": _recipe_lines(trial.model, found, asked["leave_out"]),
    }
    (job.out / "sensitivity.json").write_text(json.dumps({"schema_version": 1, **document}, indent=1) + "\n")
    for way in _WAYS:
        (job.out / f"{way}.svg").write_text(_plot(found, way), encoding="utf-8")


class _Trial:
    """A model, the sentences to try it on, and what it says of them when nothing is changed."""

    def __init__(
        self, model: Any, labels: Sequence[str], split: Any, batch_size: int, share: float, levels: int
    ) -> None:
        from sparsebuild.tasks.labels import map_labels
        from sparsebuild.training.alone import Range, input_ranges
        from sparsebuild.training.models import labels_of

        self.model, self.labels, self.split, self.share, self.levels = model, labels, split, share, levels
        self._size, self._order = batch_size, list(map_labels(labels, labels_of(model)))
        self._ranges: dict[str, Range] = {}
        with input_ranges(model, self._ranges):
            self._before = self._answers()
        self.f1 = self._f1(self._before)

    def layers(self, report: Report) -> Iterator[dict[str, Any]]:
        """For each layer what either way does; tables of embeddings are not pruned."""
        from torch import nn

        from sparsebuild.training.alone import layers, pruned_alone, quantized_alone

        known = layers(self.model)
        for done, (name, module) in enumerate(known.items()):
            report.progress(done, len(known), "layers", layer=name)
            told: dict[str, Any] = {"name": name}
            if isinstance(module, nn.Linear):
                with pruned_alone(module, self.share) as (before, after):
                    told["prune"] = {**self._effect(), "sparsity_before": before, "sparsity": after}
            with quantized_alone(module, self._ranges.get(name), self.levels):
                told["quantize"] = self._effect()
            yield told

    def _effect(self) -> dict[str, float]:
        from sparsebuild.training.alone import shift

        answers = self._answers()
        return {"shift": shift(self._before, answers), "f1_change": self._f1(answers) - self.f1}

    def _answers(self) -> list[np.ndarray]:
        from sparsebuild.training.evaluation import first_piece_logits, torch_logits

        answers = torch_logits(self.model)
        return first_piece_logits(lambda b: answers(b)[..., self._order], self.split, self._size)

    def _f1(self, answers: Sequence[np.ndarray]) -> float:
        from sparsebuild.training.evaluation import scores_of

        return scores_of(answers, self.split, self.labels).overall.f1


def _split(job: Job, most: int) -> Any:
    from dataclasses import replace

    from sparsebuild.tasks.prepared import PreparedSplit

    split = PreparedSplit.open(job.inputs["validation"])
    return replace(split, offsets=split.offsets[: most + 1], tag_offsets=split.tag_offsets[: most + 1])


# ---- the lines of a recipe that leave the worst out


def _recipe_lines(model: Any, found: Sequence[Mapping[str, Any]], count: int) -> dict[str, list[str]]:
    from sparsebuild.training.alone import covering, layers

    known = layers(model)
    linears = [one for one in found if "prune" in one]  # tables are quantized wherever they lie, whatever is named
    worst = {way: [one["name"] for one in _ranked(linears, way)[:count]] for way in _WAYS}
    kept = {name: module for name, module in known.items() if name not in worst["quantize"]}
    head = {name: m for name, m in model.named_modules() if name == "classifier"}
    names = covering(model, kept | head, worst["quantize"])
    return {
        "prune": ["params:", *(f"  - {_quoted(text)}" for text in _params(model, worst["prune"]))],
        "quantize": ["submodules:", *(f"  - {name}" for name in names)],
    }


def _params(model: Any, left_out: Sequence[str]) -> list[str]:
    """What to write for `params` so that all Linears' weights but the classifier's and `left_out`'s are meant."""
    from torch import nn

    from sparsebuild.modifiers.parameters import select
    from sparsebuild.training.alone import layers

    linears = [name for name, module in layers(model).items() if isinstance(module, nn.Linear)]
    wanted = [f"{name}.weight" for name in linears if name not in left_out]
    leaves = "|".join(dict.fromkeys(re.escape(name.rpartition(".")[2]) for name in linears))
    refused = "".join(rf"(?!{re.escape(name)}\.)" for name in ("classifier", *left_out))
    short = rf"re:{refused}.*\.({leaves})\.weight$"
    # The names of some models cannot be told apart like that; then they are all written out.
    return [short] if wanted and select(model, [short], "params") == wanted else wanted


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _ranked(found: Sequence[Mapping[str, Any]], way: str) -> list[Mapping[str, Any]]:
    return sorted((one for one in found if way in one), key=lambda one: -one[way]["shift"])


def _plot(found: Sequence[Mapping[str, Any]], way: str) -> str:
    """The layers that hurt most, one bar each."""
    from sparsebuild.pages.charts import Series, bars, standalone
    from sparsebuild.pages.report import place

    worst = _ranked(found, way)[:_DRAWN]
    moves = Series(name=way, values=[one[way]["shift"] * 1000 for one in worst], color=2)
    done = {"prune": "pruned", "quantize": "quantized to int8"}[way]
    about = f"How far answers move when one layer alone is {done}, in thousandths of a nat a word."
    rows = [", ".join(place(one["name"])) for one in worst]
    return standalone(bars(f"sensitivity-{way}", about, rows, [moves], "{:.3g}".format))
