"""Hold the build to what `[gate]` demands, and promote the export only if all of it holds.

Inputs: `eval` and `export`, and `bench` where `[gate]` speaks of speed. The outputs are the export itself and
`gate.json`; when a line does not hold there are none, and what was promoted before stays.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import Any

from sparsebuild.engine.job import Job, Report
from sparsebuild.errors import GateFailed
from sparsebuild.manifest import Limit

__all__ = ["figures", "run"]

_OF_BENCH = ("speedup", "latency_ms")


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
        raise GateFailed(
            f"{len(broken)} of {len(gates)} gates do not hold:\n{told}",
            hint="nothing was promoted; build/export is as it was",
        )
    shutil.copytree(job.inputs["export"], job.out, dirs_exist_ok=True)
    (job.out / "gate.json").write_text(json.dumps({"schema_version": 1, "gates": gates}, indent=1) + "\n")


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
    return {"name": name, "value": found[name], "limit": limit, "holds": Limit.parse(limit).holds(found[name])}
