"""Time the exported file beside its dense float model and ONNX Runtime's dynamic int8: `bench.json`.

Inputs: `export`, `model` (a float model is written from it) and `validation`, whose sentences are computed. What is
left is another each time, as clocks are; the step says so (`exact`).

`compare` does the same to the exports of all variants, in one run, as only then their times can be compared. Further
inputs: `export@NAME` of each, and maybe `teacher`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from sparsebuild.encoders import longest
from sparsebuild.engine.job import Job, Report
from sparsebuild.errors import TargetFailed, UserError
from sparsebuild.layout import NO_VARIANT
from sparsebuild.manifest import Bench, defaults

if TYPE_CHECKING:
    from sparsebuild.runtimes.turns import Entrant, Feed

__all__ = ["DYNAMIC", "FLOAT", "TEACHER", "compare", "run"]

EXPORT, FILLED, DYNAMIC = "export", "zeros filled", "dynamic int8"
FLOAT, CUT, SPARSE = "dense fp32", "cut fp32", "sparse fp32"  # before anything went; narrower; with its zeros
TEACHER = "teacher fp32"  # where it has another shape than the dense model
PAIRS = {EXPORT: (FILLED,), SPARSE: (CUT, FLOAT)}  # with zeros, and the same without: the first that there is
SENTENCES = "sentences"
_MOST_SENTENCES = 48
_OFF = 0.1  # of an estimate: more is worth a warning
_BUYS_SPEED = 1.15  # times as fast: less may be noise


def run(job: Job, report: Report) -> None:
    """Write the files to compare, time them in turns, and say what zeros buy, and how good an estimate was."""
    files = _files(job, report)
    found = _measured(job, report, files)
    zeros = _what_zeros_buy(found["timings"])
    estimate = _estimate(job, found["timings"], found["threads"])
    on_estimate = [_on_estimate(estimate, found["cpu"])] if estimate else []
    if estimate and abs(estimate["difference"]) > _OFF:
        report.log(on_estimate[0], level="warning")
    runtime, shape = found["headline"].values()
    said = [*on_estimate, *_on_zeros(zeros, found["files"]), *found["said"]]
    headline = _headline(found["timings"], runtime, shape)
    for name, value in headline.items():
        if isinstance(value, float):
            report.metric(name, value)
    estimated = {"estimate": estimate} if estimate else {}
    _write(job, {**found, "zeros": zeros, **estimated, "said": said, "headline": headline})


def compare(job: Job, report: Report) -> None:
    """Time the exports of the project and of all its variants in turns, beside the dense model."""
    variants = {name.partition("@")[2]: name for name in job.inputs if name.startswith("export@")}
    exports = {NO_VARIANT: "export", **variants}
    files = {name: job.inputs[given] / "deployment" / "model.onnx" for name, given in exports.items()}
    found = _measured(job, report, {**files, **_dense(job, report)})
    for row in found["timings"]:
        if row["model"] in files and (row["runtime"], row["shape"]) == tuple(found["headline"].values()):
            report.metric(f"{row['model']}.latency_ms", row["median_ms"])
    _write(job, found)


def _measured(job: Job, report: Report, files: Mapping[str, Path]) -> dict[str, Any]:
    """Everything that is measured of `files`, in one run."""
    from sparsebuild.runtimes.turns import opened
    from sparsebuild.training.determinism import cpu_kind

    asked: dict[str, Any] = {"python": {}, **defaults(Bench), **job.params}
    cpu = cpu_kind()
    report.note("cpu", cpu)
    feeds = _feeds(job, asked["shapes"])
    places = [(r, name, path) for r in asked["runtimes"] for name, path in files.items() if _belongs(name, r)]
    with job.log.open("a") as log, opened(places, _interpreters(job, asked), asked["threads"], log) as entrants:
        for sentence in _not_measured(_runtimes(entrants)):
            report.log(sentence, level="warning")
        timings = [row for feed in feeds for row in _timed(entrants, feed, feeds, asked["seconds"], report)]
        memory = _memory(entrants)
    if not timings:
        raise TargetFailed(
            "\n  ".join(
                ["none of the runtimes of `bench.runtimes` could run the file:", *_not_measured(_runtimes(entrants))]
            ),
            hint="name one that is installed, or its interpreter under `[bench.python]`",
        )
    return {
        "cpu": cpu,
        "threads": asked["threads"],
        "runtimes": _runtimes(entrants),
        "files": [_file(name, path) for name, path in files.items()],
        "timings": timings,
        "memory": memory,
        "zeros": [],
        "said": list(_not_measured(_runtimes(entrants))),
        "headline": {"runtime": asked["runtimes"][0], "shape": feeds[0].name},
    }


def _write(job: Job, document: Mapping[str, Any]) -> None:
    (job.out / "bench.json").write_text(json.dumps({"schema_version": 1, **document}, indent=1) + "\n")


# ---- what is compared


def _files(job: Job, report: Report) -> dict[str, Path]:
    """The exported file, the float model, both also without their zeros where they have any, and dynamic int8.

    What a model was cut out of is the dense one, of which dynamic int8 is made too.
    """
    from sparsebuild.exporters.baselines import fill_zeros, write_dynamic_int8
    from sparsebuild.exporters.fp32 import export
    from sparsebuild.training.models import open_dense, open_float_model
    from sparsebuild.training.structure import Structure

    shutil.rmtree(job.scratch, ignore_errors=True)
    job.scratch.mkdir()
    paths = {name: job.scratch / f"{name.replace(' ', '-')}.onnx" for name in (FILLED, FLOAT, CUT, SPARSE, DYNAMIC)}
    exported = job.inputs["export"] / "deployment" / "model.onnx"
    report.log("writing the dense float model and its dynamic int8")
    opset = _opset(job)
    export(open_float_model(job.inputs["model"]), paths[SPARSE], opset)
    structure = Structure.read(job.inputs["model"])
    is_cut = structure is not None and structure.dense is not None
    is_sparse = fill_zeros(paths[SPARSE], paths[CUT if is_cut else FLOAT])
    if is_cut:
        export(open_dense(job.inputs["model"]), paths[FLOAT], opset)
    write_dynamic_int8(paths[FLOAT], paths[DYNAMIC])
    has_zeros = fill_zeros(exported, paths[FILLED])
    absent = {name for name, there in ((FILLED, has_zeros), (SPARSE, is_sparse), (CUT, is_cut)) if not there}
    return {EXPORT: exported, **{name: path for name, path in paths.items() if name not in absent}}


def _dense(job: Job, report: Report) -> dict[str, Path]:
    """The dense float model that the project's own was cut out of, and its dynamic int8.

    It is the teacher where that is as large, so that its F1 is known too; else the teacher comes beside it.
    """
    from sparsebuild.exporters.baselines import fill_zeros, write_dynamic_int8
    from sparsebuild.exporters.fp32 import export
    from sparsebuild.steps.shape import is_as_large
    from sparsebuild.training.models import open_dense, open_float_model

    shutil.rmtree(job.scratch, ignore_errors=True)
    job.scratch.mkdir()
    paths = {name: job.scratch / f"{name.replace(' ', '-')}.onnx" for name in (FLOAT, TEACHER, DYNAMIC, SPARSE)}
    report.log("writing the dense float model and its dynamic int8")
    opset = _opset(job)
    teacher = job.inputs.get("teacher")
    if teacher and is_as_large(teacher, job.inputs["model"]):
        dense, beside = open_float_model(teacher), None
    else:
        dense, beside = open_dense(job.inputs["model"]), teacher
    export(dense, paths[SPARSE], opset)
    fill_zeros(paths[SPARSE], paths[FLOAT])
    write_dynamic_int8(paths[FLOAT], paths[DYNAMIC])
    if beside is None:
        return {name: paths[name] for name in (FLOAT, DYNAMIC)}
    export(open_float_model(beside), paths[TEACHER], opset)
    return {name: paths[name] for name in (FLOAT, TEACHER, DYNAMIC)}


def _opset(job: Job) -> int:
    """That of the exported file, which what it is compared with shares."""
    return int(json.loads((job.inputs["export"] / "export.json").read_text())["opset"])


def _belongs(name: str, runtime: str) -> bool:
    """ONNX Runtime's dynamic quantization is its own: operators that others need not know."""
    return name != DYNAMIC or runtime == "onnxruntime"


def _feeds(job: Job, shapes: Sequence[str]) -> list[Feed]:
    """The shapes, filled with the pieces of the validation set, and sentences of it as they are, one at a time."""
    import numpy as np

    from sparsebuild.runtimes.turns import Feed
    from sparsebuild.tasks.prepared import PreparedSplit

    split = PreparedSplit.open(job.inputs["validation"])
    config = json.loads((job.inputs["export"] / "deployment" / "config.json").read_text())
    most = longest(config) or 512
    feeds = []
    for shape in shapes:
        rows, length = (int(number) for number in shape.split("x"))
        if length > most:
            raise UserError(f"`bench.shapes` has {shape}, but the model reads at most {most} pieces")
        batch = np.resize(np.asarray(split.input_ids), (rows, length)).tolist()
        feeds.append(Feed(name=shape, batches=[batch]))
    chosen = np.linspace(0, len(split) - 1, min(len(split), _MOST_SENTENCES)).astype(int)
    return [*feeds, Feed(name=SENTENCES, batches=[[split.pieces(int(i)).tolist()] for i in chosen])]


def _interpreters(job: Job, asked: Mapping[str, Any]) -> dict[str, str]:
    """The Python for each runtime: this one, or what a variable or `[bench.python]` names from the project's folder."""
    found = {}
    for runtime in asked["runtimes"]:
        named = os.environ.get(f"SPARSEBUILD_PYTHON_{runtime.upper()}") or asked["python"].get(runtime, "")
        if "/" in named:
            named = str(job.root / named)
        found[runtime] = named or sys.executable
    return found


# ---- what came of it


def _timed(entrants: Sequence[Entrant], feed: Feed, feeds: Sequence[Feed], seconds: float, report: Report) -> Any:
    from sparsebuild.runtimes.turns import in_turns, percentile

    done = feeds.index(feed)
    report.progress(done, len(feeds), "shapes", shape=feed.name)
    found = in_turns(entrants, feed, seconds, lambda share: report.progress(done + share, len(feeds), "shapes"))
    dense = {e.runtime: median(times) for e, times in zip(entrants, found, strict=True) if e.model == FLOAT and times}
    for entrant, times in zip(entrants, found, strict=True):
        if times:
            row = {
                "name": f"{entrant.runtime}.{entrant.model}.{feed.name}",
                "runtime": entrant.runtime,
                "model": entrant.model,
                "shape": feed.name,
                "median_ms": median(times) * 1e3,
                "p95_ms": percentile(times, 0.95) * 1e3,
                "sentences_per_second": _throughput(feed, times),
                "runs": len(times),
            }
            speedup = {"speedup": dense[entrant.runtime] / median(times)} if entrant.runtime in dense else {}
            yield row | speedup


def _throughput(feed: Feed, times: Sequence[float]) -> float:
    return feed.sentences / len(feed.batches) * len(times) / sum(times)


def _memory(entrants: Sequence[Entrant]) -> list[dict[str, Any]]:
    return [
        {"name": f"{e.runtime}.{e.model}", "runtime": e.runtime, "model": e.model, "bytes": e.ask(memory=True)["bytes"]}
        for e in entrants
        if e.runs
    ]


def _runtimes(entrants: Sequence[Entrant]) -> dict[str, Any]:
    """Of each its version, or why it was not measured."""
    found: dict[str, Any] = {}
    for entrant in entrants:
        known = found.setdefault(entrant.runtime, {"missing": entrant.missing} if entrant.missing else {})
        if entrant.version:
            known["version"] = entrant.version
        if entrant.failed:
            known.setdefault("failed", {})[entrant.model] = entrant.failed
    return found


def _file(name: str, path: Path) -> dict[str, Any]:
    from sparsebuild.exporters.baselines import zeros
    from sparsebuild.steps.evaluate import compressed_size

    return {"name": name, "bytes": path.stat().st_size, "bytes_zstd": compressed_size(path), "zeros": zeros(path)}


def _what_zeros_buy(timings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each runtime, how much faster a file is than itself without zeros: the middle of all shapes."""
    by_key = {(row["runtime"], row["model"], row["shape"]): row["median_ms"] for row in timings}
    found: dict[tuple[str, str], list[float]] = {}
    for (runtime, model, shape), time in by_key.items():
        times = (by_key.get((runtime, other, shape)) for other in PAIRS.get(model, ()))
        if filled := next(filter(None, times), None):
            found.setdefault((runtime, model), []).append(filled / time)
    return [
        {"name": f"{runtime}.{model}", "runtime": runtime, "model": model, "speedup": median(ratios)}
        for (runtime, model), ratios in found.items()
    ]


def _estimate(job: Job, timings: Sequence[Mapping[str, Any]], threads: int) -> dict[str, Any] | None:
    """A budget of time that shapes were chosen for, beside what was measured; None where it was not measured alike."""
    from sparsebuild.training.structure import Structure

    structure = Structure.read(job.inputs["model"])
    budget = structure.budget if structure else None
    if budget is None or budget.kind != "latency" or budget.threads != threads:
        return None
    alike = [r for r in timings if (r["runtime"], r["model"], r["shape"]) == (budget.runtime, EXPORT, budget.shape)]
    if not alike or "speedup" not in alike[0]:
        return None
    measured = 1 / alike[0]["speedup"]
    return {
        "cpu": budget.cpu,
        "shape": budget.shape,
        "asked": budget.asked,
        "estimated": budget.estimate,
        "measured": measured,
        "difference": budget.estimate / measured - 1,
    }


def _on_estimate(estimate: Mapping[str, Any], cpu: str) -> str:
    """How good the estimate was that shapes were chosen by."""
    told = (
        f"At {estimate['shape']} the export takes {estimate['measured']:.3f} of the dense fp32 file's time; the recipe "
        f"asks for {estimate['asked']:g}, and {estimate['estimated']:.3f} was estimated"
    )
    if abs(estimate["difference"]) <= _OFF:
        return f"{told}."
    why = "kernels were timed on another CPU" if estimate["cpu"] != cpu else "kernels, or this, were timed badly"
    again = "`sparsebuild bench --profile-layers --again` times them anew, and then the model is trained again"
    return f"{told}, which is {abs(estimate['difference']):.0%} off: {why}. {again}."


def _on_zeros(zeros: Sequence[Mapping[str, Any]], files: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Where zeros buy speed and where only bytes; nothing for a file that has none."""
    from sparsebuild.pages.words import size

    for one in zeros:
        what = "buy speed" if one["speedup"] >= _BUYS_SPEED else "buy no speed"
        told = f"`{one['model']}` is {one['speedup']:.2f} times as fast as without them"
        yield f"In {one['runtime']} zeros {what}: {told}."
    sizes = {file["name"]: size(file["bytes_zstd"]) for file in files}
    if FILLED in sizes:
        told = f"{sizes[EXPORT]}, against {sizes[FILLED]} without them"
        yield f"Everywhere they buy bytes once the file is compressed: {told}."


def _headline(timings: Sequence[Mapping[str, Any]], runtime: str, shape: str) -> dict[str, Any]:
    """What `[gate]` speaks of: the export in the first runtime at the first shape; no figures where it did not run."""
    rows = {row["model"]: row for row in timings if (row["runtime"], row["shape"]) == (runtime, shape)}
    told: dict[str, Any] = {"runtime": runtime, "shape": shape}
    if EXPORT in rows:
        told["latency_ms"] = rows[EXPORT]["median_ms"]
        told |= {"speedup": rows[EXPORT]["speedup"]} if "speedup" in rows[EXPORT] else {}
    return told


def _not_measured(runtimes: Mapping[str, Any]) -> Iterator[str]:
    for runtime, found in runtimes.items():
        if "missing" in found:
            yield f"{runtime} is not measured, since it is not here: {found['missing']}"
        for model, why in found.get("failed", {}).items():
            yield f"{runtime} cannot run `{model}`: {why}"
