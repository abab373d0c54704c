"""A project whose user does everything to it: what its build has to be, whatever happened before.

    fetch@a ─→ cut ─→ train ─→ eval
    fetch@b ────────────┘ └──→ export ─→ gate

`fetch` copies a pinned file, `cut` keeps its first word (so that most edits end there), `train` keeps a checkpoint
for each epoch, and `gate` refuses what is too long.
"""

import contextlib
import json
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from sparsebuild.atomic import write_bytes
from sparsebuild.digest import file_digest, value_digest
from sparsebuild.engine.action import Action, File, Input
from sparsebuild.engine.build import build
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.errors import GateFailed, TargetFailed
from sparsebuild.layout import ProjectLayout

TARGETS = ("fetch@a", "fetch@b", "cut", "train", "eval", "export", "gate")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """All that the user decides: the two files and the settings."""

    a: str = "red green"
    b: str = "blue"
    epochs: int = 2
    style: str = "plain"
    bits: int = 8
    most: int = 100  # letters that the gate lets through


@dataclass
class Project:
    """A folder with the files of a wish, and the store it uses. `journal` gets a line for each step that ends."""

    root: Path
    store: Path
    journal: Path
    wish: Wish = field(default_factory=Wish)

    def __post_init__(self):
        self.root.mkdir(exist_ok=True)
        self.layout = ProjectLayout(self.root)
        self.write(self.wish)

    def write(self, wish):
        """Write the files of `wish` where they say something else: as an editor does, or git."""
        self.wish = wish
        for name in "ab":
            file = self.root / f"{name}.txt"
            if not file.is_file() or file.read_text() != getattr(wish, name):
                file.unlink(missing_ok=True)
                file.write_text(getattr(wish, name))

    def graph(self, stats):
        return Graph(_actions(self.root, self.wish, stats))

    def run(self, *targets, **options):
        """Build; what became of each target."""
        stats = StatCache(self.layout.state / "stat-cache.json")
        return dict(
            build(
                self.graph(stats),
                targets,
                layout=self.layout,
                store=Store(self.store),
                stat_cache=stats,
                executor=Steps(self.journal),
                **{"sink": lambda event: None, **options},
            )
        )

    def asked(self, *targets):
        """`targets` and all that they need; everything for none."""
        return self.graph(StatCache(self.layout.state / "stat-cache.json")).select(targets)

    def folder(self, target):
        return self.root / _folder(target)

    def outputs(self, target):
        """The files that stand in the folder of `target`, by their paths there; no link is a file."""
        folder = self.folder(target)
        files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    def steps(self):
        """The questions that steps have worked on to their end, in order, each with the step's name."""
        return self.journal.read_text().splitlines() if self.journal.exists() else []

    def state(self):
        """Everything that can be seen of the project and of the store without opening a file."""
        return {
            str(path): (stat.st_ino, stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
            for top in (self.root, self.store)
            for path in ([top, *top.rglob("*")] if top.exists() else [])
            for stat in [path.lstat()]
        }


def clean(wish):
    """What a build from nothing leaves: the files of each target, or None for one that fails."""
    return _clean(replace(wish))


@cache
def _clean(wish):
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder, "project"), Path(folder, "store"), Path(folder, "journal"), wish)
        with contextlib.suppress(GateFailed):
            project.run()
        return {target: project.outputs(target) or None for target in TARGETS}


def right(project, outcomes=TARGETS):
    """Whether the targets of `outcomes` stand there as a build from nothing leaves them. Strays do not count."""
    return all((clean(project.wish)[name] or {}).items() <= project.outputs(name).items() for name in outcomes)


def _folder(target):
    return {"export": ".sparsebuild/candidate", "gate": "build/export"}.get(target, f"build/{target}")


def _actions(root, wish, stats):
    def action(name, step, *reads, source=None, **params):
        inputs = tuple(
            Input(name=read.partition("/")[0], action=read.partition("/")[0], path=read.partition("/")[2])
            for read in reads
        )
        sources = {"file": (source,)} if source else {}
        return Action(name=name, step=step, folder=_folder(name), params=params, inputs=inputs, sources=sources)

    def pinned(name):
        path = root / name
        return File(path=name, size=path.stat().st_size, sha256=stats.digest(path))

    return [
        action("fetch@a", "fetch", source=pinned("a.txt")),
        action("fetch@b", "fetch", source=pinned("b.txt")),
        action("cut", "cut", "fetch@a"),
        action("train", "train", "cut", "fetch@b/b.txt", epochs=wish.epochs),
        action("eval", "eval", "train/model", style=wish.style),
        action("export", "export", "train/model/weights", bits=wish.bits),
        action("gate", "gate", "export", most=wish.most),
    ]


class Steps:
    """An executor that calls the functions below."""

    def __init__(self, journal):
        self._journal = journal

    def run(self, where, job, report):
        {"fetch": fetch, "cut": cut, "train": train, "eval": evaluate, "export": export, "gate": gate}[job.step](
            job, report
        )
        with self._journal.open("a") as journal:
            journal.write(f"{job.step} {_question(job)}\n")

    def close(self):
        pass


def fetch(job, report):
    (file,) = job.sources["file"]
    shutil.copyfile(job.root / file.path, job.out / file.path)
    if file_digest(job.out / file.path) != file.sha256:
        raise TargetFailed(f"{file.path} is not what was pinned")


def cut(job, report):
    (job.out / "text").write_text((job.inputs["fetch@a"] / "a.txt").read_text().split()[0])


def train(job, report):
    """Each epoch adds to the weights; the checkpoint of an epoch is there whole or not at all."""
    report.note("threads", 2)
    done = sorted(job.scratch.glob("epoch-*"))
    weights = (
        done[-1].read_text()
        if done
        else f"{(job.inputs['cut'] / 'text').read_text()}+{job.inputs['fetch@b'].read_text()}"
    )
    for epoch in range(len(done), job.params["epochs"]):
        weights += f".{epoch}"
        write_bytes(job.scratch / f"epoch-{epoch}", weights.encode())
        report.progress(epoch + 1, job.params["epochs"], "steps")
    (job.out / "model").mkdir()
    (job.out / "model" / "weights").write_text(weights)
    (job.out / "metrics.json").write_text(json.dumps({"loss": len(weights)}))


def evaluate(job, report):
    text = (job.inputs["train"] / "weights").read_text()
    (job.out / "report").write_text(text.upper() if job.params["style"] == "loud" else text)


def export(job, report):
    (job.out / "model").write_text(f"{job.inputs['train'].read_text()} in {job.params['bits']} bits")


def gate(job, report):
    model = (job.inputs["export"] / "model").read_text()
    if len(model) > job.params["most"]:
        raise GateFailed(f"{len(model)} letters, promised <= {job.params['most']}")
    (job.out / "model").write_text(model)


def _question(job):
    """What the step was asked, from what it could see: not from what the engine says of it."""
    sources = [[source.path, source.sha256] for files in job.sources.values() for source in files]
    inputs = {name: _read(path) for name, path in job.inputs.items()}
    return value_digest([job.step, job.params, sources, inputs])[:12]


def _read(path):
    named = [path / name for name in ("a.txt", "text", "weights", "model")]
    return next(file.read_text() for file in (path, *named) if file.is_file())
