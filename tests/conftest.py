"""What all tests share: slow and GPU tests, where larger data lie, and a cache that is nobody's."""

import os
import sys
from pathlib import Path

import pytest

DATA = "SPARSEBUILD_TEST_DATA"  # a folder of larger data sets that do not come with the project


def pytest_collection_modifyitems(items):
    """Files with `slow` tests come first, since workers that run whole files should not end with a long one.

    `gpu` tests are skipped where there is none; torch is asked only if there are such tests.
    """
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)
    of_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if of_gpu and not _has_gpu():
        for item in of_gpu:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def _has_gpu():
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def shared_data():
    """The folder that `SPARSEBUILD_TEST_DATA` names, or `shared/data` beside the checkout; skips without it."""
    folder = Path(os.environ.get(DATA) or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"needs a folder of data: set {DATA}")
    return folder


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors on two threads are mostly waiting; tests of threads set their own number."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """No test reads or fills the user's cache, and no variable of the user's shell changes what commands print."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEBUILD_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        for name in ("CI", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "GITHUB_ACTIONS"):
            patch.delenv(name, raising=False)
        yield
