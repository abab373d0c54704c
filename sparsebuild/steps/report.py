"""Draw what was built as one page: `index.html`, which needs no network and runs no script.

Inputs: `eval`, `export`, `train`, `bench` and `words`; with variants also `compare`, and of each `export@NAME`,
`config@NAME` and `structure@NAME`. Whether gates hold is worked out here too, so that there is a page to look at where
one does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsebuild.engine.job import Job, Report
from sparsebuild.layout import NO_VARIANT
from sparsebuild.manifest import Limit

if TYPE_CHECKING:
    from sparsebuild.pages.variants import Candidate

__all__ = ["run"]


def run(job: Job, report: Report) -> None:
    """Gather what the other steps left, and write the page."""
    from sparsebuild.pages.report import Built, page

    params = job.params
    evaluation = json.loads((job.inputs["eval"] / "metrics.json").read_text())["models"]
    export = json.loads((job.inputs["export"] / "export.json").read_text())
    bench = json.loads((job.inputs["bench"] / "bench.json").read_text())
    built = Built(
        project=params["project"],
        scheme=export["scheme"],
        start=params["start"],
        versions=params["versions"],
        models=evaluation,
        export=export,
        gates=list(_gates(params.get("gates", {}), evaluation, export, bench)),
        history=_lines(job.inputs["train"] / "metrics.jsonl"),
        quantized_from=_quantized_from(params.get("recipe")),
        masked=_masked(job.inputs["train"] / "model" / "structure.json"),
        bench=bench,
        words=_lines(job.inputs["words"]),
        answers=_lines(job.inputs["eval"] / "answers.jsonl"),
        sources=params["sources"],
        lock=params["lock"],
        laid_over=params.get("laid_over", ()),
        variant=params.get("variant", ""),
        candidates=list(_candidates(job, export)),
        compared=json.loads((job.inputs["compare"] / "bench.json").read_text()) if "compare" in job.inputs else {},
    )
    (job.out / "index.html").write_text(page(built), encoding="utf-8")


def _candidates(job: Job, export: Mapping[str, Any]) -> Iterator[Candidate]:
    """The project's own model and its variants; nothing where it has none."""
    from sparsebuild.pages.variants import Candidate
    from sparsebuild.steps.shape import shape_of

    names = job.params.get("variants", ())
    if names:
        own = job.inputs["train"] / "model"
        yield Candidate(name=NO_VARIANT, export=export, shape=shape_of(own / "config.json", own / "structure.json"))
    for name in names:
        document = json.loads(job.inputs[f"export@{name}"].read_text())
        shape = shape_of(job.inputs[f"config@{name}"], job.inputs[f"structure@{name}"])
        yield Candidate(name=name, export=document, shape=shape)


def _gates(
    limits: Mapping[str, str], evaluation: Mapping[str, Any], export: Mapping[str, Any], bench: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """What `[gate]` asks for and what is; a figure that nobody measured holds nothing."""
    from sparsebuild.steps.gate import figures

    found: dict[str, Any] = {**figures(evaluation, export), **bench["headline"]}
    for name, limit in limits.items():
        value = found.get(name)
        holds = value is not None and Limit.parse(limit).holds(value)
        yield {"name": name, "value": value, "limit": limit, "holds": holds}


def _quantized_from(recipe: Mapping[str, Any] | None) -> float | None:
    """The epoch at which the recipe's first quantization begins."""
    from sparsebuild import modifiers
    from sparsebuild.modifiers.quantization import Quantization
    from sparsebuild.recipe import Resolved

    specs = modifiers.specs(Resolved.from_json(recipe)) if recipe else ()
    return min((spec.start_epoch for spec in specs if isinstance(spec, Quantization)), default=None)


def _masked(path: Path) -> dict[str, tuple[int, int]]:
    masked = json.loads(path.read_text())["masked"] if path.exists() else {}
    return {name: (counts["zeros"], counts["size"]) for name, counts in masked.items()}


def _lines(path: Path) -> list[Any]:
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]
