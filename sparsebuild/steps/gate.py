"""Hold the build to what `[gate]` demands, and promote the export only if all of it holds.

Inputs: `eval`, `export` and `model`, and `bench` where `[gate]` speaks of speed. The outputs are the export itself, the
same model in the layout of the Hub with its card (`hub/`), `gate.json` and `provenance.json`; when a line does not hold
there are none, and what was promoted before stays.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sparsebuild import lock as locks
from sparsebuild.digest import text_digest
from sparsebuild.engine.job import Job, Report
from sparsebuild.errors import GateFailed, LockOutOfDate
from sparsebuild.layout import ProjectLayout, built
from sparsebuild.manifest import Limit
from sparsebuild.shipping import folder, provenance
from sparsebuild.shipping.card import Measured
from sparsebuild.shipping.facts import Facts
from sparsebuild.shipping.snippets import piece_mark

__all__ = ["figures", "run"]

_OF_BENCH = ("speedup", "latency_ms")
_PLACES = 5  # to which a share of zeros is looked at: 0.9 of a tensor's weights is seldom a whole number of them


def run(job: Job, report: Report) -> None:
    """Compare each figure with its limit; raises GateFailed naming every one that does not hold."""
    evaluation = json.loads((job.inputs["eval"] / "metrics.json").read_text())["models"]
    export = json.loads((job.inputs["export"] / "export.json").read_text())
    found = figures(evaluation, export) | (_speed(job) if "bench" in job.inputs else {})
    gates = [_gate(name, limit, found) for name, limit in job.params.get("gates", {}).items()]
    for gate in gates:
        report.metric(f"gate.{gate['name']}", gate["value"])
        verdict = "holds" if gate["holds"] else "does not hold"
        report.log(f"{gate['name']} is {gate['value']:.6g}, must be {gate['limit']}: {verdict}")
    broken = [g for g in gates if not g["holds"]]
    if broken:
        told = "\n".join(f"  {g['name']} is {g['value']:.6g}, must be {g['limit']}" for g in broken)
        variant = job.params.get("facts", {}).get("variant", "")
        raise GateFailed(
            f"{len(broken)} of {len(gates)} gates do not hold:\n{told}",
            hint=f"nothing was promoted; {built('export', variant)} is as it was",
        )
    _promote(job, evaluation, export, gates)


def figures(evaluation: Mapping[str, Any], export: Mapping[str, Any]) -> dict[str, float]:
    """What `[gate]` can speak of. F1 is the exported file's, on the validation set."""
    f1 = float(export["validation"]["f1"])
    found = {
        "f1": f1,
        "sparsity": float(evaluation["student"]["sparsity"]),
        "agreement": float(export["agreement"]),
        "size_mb": export["bytes"] / 1e6,
    }
    if "teacher" in evaluation:
        found["f1_drop_from_teacher"] = float(evaluation["teacher"]["validation"]["f1"]) - f1
    return found


def _speed(job: Job) -> dict[str, float]:
    """What was measured in the first runtime at the first shape; nothing where that did not run."""
    headline = json.loads((job.inputs["bench"] / "bench.json").read_text())["headline"]
    return {name: float(headline[name]) for name in _OF_BENCH if name in headline}


def _gate(name: str, limit: str, found: Mapping[str, float]) -> dict[str, Any]:
    if name not in found:
        lacks = "`bench` could not run the first of its runtimes" if name in _OF_BENCH else "the build has no teacher"
        raise GateFailed(f"gate.{name} has nothing to compare with: {lacks}")
    value = round(found[name], _PLACES) if name == "sparsity" else found[name]
    return {"name": name, "value": found[name], "limit": limit, "holds": Limit.parse(limit).holds(value)}


def _promote(
    job: Job, evaluation: Mapping[str, Any], export: Mapping[str, Any], gates: Sequence[Mapping[str, Any]]
) -> None:
    facts = _facts(job)
    onnx = folder.onnx_name(export["scheme"])
    mark = piece_mark(job.inputs["model"] / "tokenizer.json")
    measured = Measured(evaluation=evaluation, export=export, gates=gates, onnx=onnx, mark=mark)
    lock = _lock_text(ProjectLayout(job.root), facts)
    shutil.copytree(job.inputs["export"], job.out, dirs_exist_ok=True)
    (job.out / "gate.json").write_text(json.dumps({"schema_version": 1, "gates": gates}, indent=1) + "\n")
    folder.assemble(job.out / "hub", facts, measured, job.inputs["model"], job.inputs["export"], lock)
    provenance.write(job.out, facts)


def _facts(job: Job) -> Facts:
    """What was said, [gate] included."""
    facts, limits = Facts.from_json(job.params["facts"]), job.params.get("gates")
    return replace(facts, settings={**facts.settings, "gate": limits}) if limits else facts


def _lock_text(layout: ProjectLayout, facts: Facts) -> str:
    """Of the lock what this build was planned with; one that was edited while we ran is not believed."""
    for lock in locks.each(layout.lock_files()):
        if text_digest(text := locks.text(lock.of(facts.variant))) == facts.lock:
            return text
    raise LockOutOfDate(
        "sparse.lock is no longer the one with which this run began", hint="run `sparsebuild run` again"
    )
