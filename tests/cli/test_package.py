"""The wheel: what somebody gets who has no checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sparsebuild import __version__
from sparsebuild.cli.templates import templates

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """The files in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-c", BUILD, folder], cwd=ROOT, check=True, capture_output=True)
    return set(zipfile.ZipFile(next(folder.glob("*.whl"))).namelist())


def test_templates_travel_with_their_dotfiles(names):
    for name in templates():
        assert {f"sparsebuild/templates/{name}/{file}" for file in ("sparse.toml", ".gitignore", "README.md")} <= names


def test_only_the_package_is_in_it(names):
    assert {name.split("/")[0] for name in names} == {"sparsebuild", f"sparsebuild-{__version__}.dist-info"}
    assert not [name for name in names if "_cache/" in name or "__pycache__" in name]
    assert {"sparsebuild/py.typed", "sparsebuild/__main__.py"} <= names


def test_what_the_report_and_bench_are_made_of_travels_too(names):
    wanted = {"pages/report.html", "pages/report.css", "runtimes/worker.py", "runtimes/on_deepsparse.py"}
    assert {f"sparsebuild/{name}" for name in wanted} <= names
