"""Every reader, fed with harmed samples: `python tests/hostile/fuzz.py --cases 1000000`.

Same seed, same cases. Each ends in a value or in an error of ours, of one line a problem, soon and in little memory;
anything else is told, with the bytes in `--findings DIR`, and belongs into `test_findings.py` once it is mended.
"""

import argparse
import hashlib
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import harm
from readers import READERS

from sparsebuild.errors import SparsebuildError

SLOWEST = 2.0  # seconds of CPU for a case
_HANGS = 30  # seconds
_LONGEST = 4_000  # characters of one problem's message


class Hang(BaseException):
    """A case that does not end."""


def fuzz(name, cases, seed, folder):
    """Feed the reader `name`; how many were read and refused, and what is wrong, by its cause."""
    reader = READERS[name]
    samples = reader.samples()
    counts, findings = Counter(), {}
    for number in range(cases):
        draw = random.Random(f"{seed} {name} {number}")
        data = harm.harmed(draw, draw.choice(samples), samples, reader.words)
        outcome, cause = tried(reader.read, data, folder)
        counts[outcome] += 1
        if cause:
            findings.setdefault(cause, data)
    return counts, findings


def tried(read, data, folder):
    """What becomes of one case: `read` or `refused`, or `wrong` with its cause."""
    start = time.process_time()
    signal.setitimer(signal.ITIMER_REAL, _HANGS)
    try:
        read(data, folder)
        outcome, cause = "read", ""
    except SparsebuildError as error:
        outcome, cause = "refused", told_badly(error)
    except Hang:
        outcome, cause = "wrong", "it hangs"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        outcome, cause = "wrong", f"{type(error).__name__} in {Path(where.filename).name}:{where.name}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if time.process_time() - start > SLOWEST:
        cause = cause or f"it takes more than {SLOWEST} s"
    return ("wrong" if cause else outcome), cause


def told_badly(error):
    """Why an error of ours is not one that a person can read; nothing for one that is."""
    for problem in error.problems:
        first, *more = problem.message.split("\n")
        if not first.strip() or any(not line.startswith("  ") for line in more):
            return f"its message is not one line: {type(error).__name__}"
        if len(problem.message) > _LONGEST:
            return f"its message has {len(problem.message)} characters: {first[:60]}"
    return "" if error.problems else "it tells nothing"


def _row(name, cases, counts, causes):
    return f"{name:20} {cases:9} {counts['read']:9} {counts['refused']:9} {counts['wrong']:6} {causes:6}"


def _say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _hang(*_):
    raise Hang


def _main():
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--cases", type=int, default=10_000)
    given.add_argument("--seed", default="0")
    given.add_argument("--reader", choices=READERS, action="append")
    given.add_argument("--findings", type=Path)
    asked = given.parse_args()
    signal.signal(signal.SIGALRM, _hang)
    warnings.simplefilter("ignore")
    whole = sum(READERS[name].share for name in asked.reader or READERS)
    total, wrong = Counter(), 0
    _say(f"{'reader':20} {'cases':>9} {'read':>9} {'refused':>9} {'wrong':>6} {'causes':>6} {'s':>6} {'MB':>6}")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        for name in asked.reader or READERS:
            start = time.process_time()
            cases = asked.cases * READERS[name].share // whole
            counts, findings = fuzz(name, cases, asked.seed, Path(folder))
            megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            took = time.process_time() - start
            _say(_row(name, cases, counts, len(findings)) + f" {took:6.0f} {megabytes:6}")
            total += counts
            wrong += len(findings)
            for cause, data in findings.items():
                key = hashlib.sha256(f"{name} {cause}".encode()).hexdigest()[:8]
                _say(f"    {key} {cause}")
                if asked.findings:
                    asked.findings.mkdir(parents=True, exist_ok=True)
                    (asked.findings / f"{name.replace(' ', '-')}.{key}").write_bytes(data)
    _say(_row("all", total.total(), total, wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(_main())
