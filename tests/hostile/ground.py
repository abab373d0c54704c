"""What the tests of this folder stand on: the small project of `tests/cli`, and all that lies in a folder."""

import importlib.util
import sys
from pathlib import Path

from sparsebuild.engine import stat_cache

TESTS = Path(__file__).parents[1]
STAND_INS = TESTS / "cli" / "stand_ins.py"


def loaded(path):
    """A file as a module; there are several `conftest.py`."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CLI = loaded(TESTS / "cli" / "conftest.py")


def misremembered(file, more=b""):
    """A stat cache of today's form that knows, of an earlier boot, a number of `file`, and before it `more`."""
    key = f"{file.stat().st_dev}:{file.stat().st_ino}"
    head = f'{{"format": {stat_cache._FORMAT}, "boot": "", "lasting": ["{key}"], "known": {{'
    return head.encode() + more + f'"{key}": 7}}}}'.encode()


def everything(*folders):
    """Each file, folder and link below `folders`, with its bytes and times."""
    found = {}
    for path in sorted(path for folder in folders for path in (folder, *folder.rglob("*"))):
        about = path.lstat()
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[path] = (about.st_mode, about.st_mtime_ns, about.st_ctime_ns, data)
    return found
