"""Steps that take no time and make figures up; `python stand_ins.py WORDS` is the real command with them.

What a step leaves follows from its settings and inputs, as with the real ones. `--set train.seed=13` fails.
"""

import json
import operator
import sys
from dataclasses import replace

from sparsebuild.cli.main import run_command
from sparsebuild.errors import TargetFailed
from sparsebuild.steps import STEPS


def prepare(job, report):
    report.log("3 sentences are longer than 32 pieces")
    rows = sum(path.stat().st_size for path in job.inputs["data.train"].iterdir())
    for name in ("labels.json", "tokenizer/vocab.txt", "train/ids", "validation/ids"):
        write(job, name, f"{name} of {rows}\n")


def train(job, report):
    seed = job.params.get("seed", 42)
    if seed == 13:
        raise TargetFailed("the loss is not finite")
    write(job, "model/model.safetensors", f"weights of {json.dumps(job.params)}")
    write(job, "metrics.jsonl", "".join(json.dumps({"epoch": epoch, "f1": seed / 1000}) + "\n" for epoch in (1, 2)))


def evaluate(job, report):
    weights = (job.inputs["model"] / "model.safetensors").stat().st_size
    figures = {"student": {"sparsity": 0.5, "bytes": weights, "validation": {"f1": 0.5}}}
    write(job, "metrics.json", json.dumps({"schema_version": 1, "models": figures}))


def export(job, report):
    write(job, "deployment/model.onnx", (job.inputs["model"] / "model.safetensors").read_text().upper())
    write(job, "export.json", json.dumps({"schema_version": 1, "agreement": 1.0, "bytes": 7, "scheme": "portable"}))


def gate(job, report):
    held = {"name": "f1", "value": 0.5, "limit": ">= 0.4", "holds": True}
    write(job, "gate.json", json.dumps({"schema_version": 1, "gates": [held]}))


def sensitivity(job, report):
    write(job, "sensitivity.json", json.dumps(dict(job.params)))


def write(job, name, text):
    path = job.out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


OURS = {
    "prepare": prepare,
    "train": train,
    "eval": evaluate,
    "export": export,
    "gate": gate,
    "sensitivity": sensitivity,
}


def stand_in(put):
    """Put them in the place of the real ones, by `put(steps, name, step)`."""
    for name, step in OURS.items():
        put(STEPS, name, replace(STEPS[name], function=f"{__name__}:{step.__name__}", where="inline"))


if __name__ == "__main__":
    stand_in(operator.setitem)
    sys.exit(run_command(sys.argv[1:]))
