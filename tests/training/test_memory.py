"""training/memory.py: what a step frees is there for the next one."""

import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys
import torch
if sys.argv[1] == "keep":
    from sparsebuild.training.memory import keep_freed_memory
    keep_freed_memory()
torch.set_num_threads(1)
for step in range(12):
    if step == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    kept = [torch.ones(12_000_000), *(torch.ones(600_000) for _ in range(10))]
    del kept
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    run = subprocess.run([sys.executable, "-c", CODE, how], check=True, capture_output=True, text=True)
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_pages_are_not_mapped_anew_at_every_step():
    assert 5 * faults("keep") < faults("as it is")
