"""One real build, made once: the quick start's project with fewer rows and epochs, on the real model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROWS = {"train": 192, "validation": 80, "test": 80, "unlabelled": 192}


def shorten(project: Path) -> None:
    """Rows and epochs for a minute of work: enough to prune, quantize and export, too little to learn much."""
    for split, count in ROWS.items():
        path = project / "data" / f"{split}.jsonl"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:count]))
    text = (project / "sparse.toml").read_text()
    head, _, _ = text.partition("[gate]")
    head = head.replace("num_train_epochs = ", "num_train_epochs = 2 # was ")
    head = head.replace("num_epochs = 5", "num_epochs = 3")
    sparsity = 'sparsity = ">= 0.80"\n' if "pruned80" in head else ""
    (project / "sparse.toml").write_text(f'{head}[gate]\n{sparsity}agreement = ">= 0.99"\n')


class Workshop:
    """A place with a cache of its own, where `sparsebuild` runs as a process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.project = folder, folder / "project"
        self.environment = {**os.environ, "SPARSEBUILD_CACHE_DIR": str(folder / "cache"), "COLUMNS": "120"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "sparsebuild", "-C", str(self.project), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, env=self.environment, check=False
        )

    def outcomes(self, *arguments: str) -> dict[str, str]:
        """What became of each target in a run that succeeds."""
        done = self.run("run", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["outcomes"]

    def read(self, path: str) -> dict:
        return json.loads((self.project / path).read_text())

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.project / path).read_text()
        assert old in text
        (self.project / path).write_text(text.replace(old, new))


def _new_workshop(folder: Path, template: str = "quickstart", cache: Path | None = None) -> Workshop:
    workshop = Workshop(folder)
    if cache:
        workshop.environment["SPARSEBUILD_CACHE_DIR"] = str(cache)
    command = [sys.executable, "-m", "sparsebuild", "init", str(workshop.project), "--template", template]
    subprocess.run(command, check=True, capture_output=True, env=workshop.environment)
    shorten(workshop.project)
    return workshop


@pytest.fixture(scope="session")
def new_workshop():
    """Makes a workshop with a fresh project in it, which may share another's cache."""
    return _new_workshop


@pytest.fixture(scope="session")
def built(new_workshop, tmp_path_factory):
    """A workshop whose project has been built once; tests that change it put it back."""
    workshop = new_workshop(tmp_path_factory.mktemp("built"))
    locked = workshop.run("lock")
    if locked.returncode == 4:
        pytest.skip("the package of the model cannot be downloaded")
    assert set(workshop.outcomes().values()) == {"built"}
    return workshop
