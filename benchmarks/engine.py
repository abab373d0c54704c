"""The engine against make, ninja, doit and DVC, and how its cost grows with the number of targets.

    python benchmarks/engine.py [--quick] [--only PART]... [--rival NAME]... [--folder DIR]

Parts: five (one pipeline over 440 MB), chains (graphs of many targets, against the others), growth (ours up to
100,000), cost (what the engine adds to steps that take their time). Whole processes; CPU seconds, and their ratio to
`python -c "import typer, rich"` measured in the same run. Rivals that are missing are installed under DIR, or left out.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import BASE, Cost, cost, median, row, say, table
from pipelines import LEAF, RATE, ROWS, WEIGHTS, root, write_sources
from rivals import OURS, Tool, installed

RIVALS = ("make", "ninja", "doit", "dvc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    weights_bytes: int
    chains: Sequence[int]  # stages, against the others
    growth: Sequence[int]  # stages, ours
    times: int  # that what changes nothing is measured
    seconds: float  # that a step takes, where the engine's own cost is asked


FULL = Plan(
    weights_bytes=440 << 20, chains=(100, 1_000, 10_000), growth=(10, 100, 1_000, 10_000, 100_000), times=5, seconds=10
)
QUICK = Plan(weights_bytes=1 << 20, chains=(10,), growth=(10, 100), times=1, seconds=0.05)


def main(arguments: Sequence[str]) -> None:
    """Print a table for each part that is asked for."""
    asked = _arguments(arguments)
    plan = QUICK if asked.quick else FULL
    base = median(lambda: cost(BASE), plan.times + 1)
    say(f'`python -c "import typer, rich"`: {base.cpu_s:.3f} s, {base.peak_mib:.0f} MiB')
    with _place(asked.folder) as place:
        tools = installed(place / "rivals", asked.rival, say)
        for part in asked.only:
            PARTS[part](plan, tools, base, place)


def five(plan: Plan, tools: Sequence[Tool], base: Cost, place: Path) -> None:
    """One pipeline: what happens, who runs how many of its five stages, and what it costs."""
    table(
        f"Five stages over {plan.weights_bytes >> 20} MiB: CPU seconds (times the base) and stages that ran",
        ["", "first build", "nothing to do", "weights touched", "then nothing", "a comment in a source", "a setting",
         "and back", "peak memory, nothing to do"],
    )  # fmt: skip
    for tool in [OURS, *tools]:
        row([tool.name, *_or_why_not(tool, _five, plan, base, place)])


def _five(tool: Tool, plan: Plan, base: Cost, place: Path) -> list[str]:
    with _project(tool, "five", place, plan.weights_bytes) as work:
        first, idle = work.told(), work.idle(plan.times)
        (work.folder / WEIGHTS).touch()
        touched, after = work.told(), work.idle(plan.times)
        (work.folder / ROWS).write_text("# rows, and more of them\nAda wrote\n")
        comment = work.told()
        (work.folder / RATE).write_text("0.2\n")
        setting = work.told()
        (work.folder / RATE).write_text("0.1\n")
        back = work.told()
    told = [first, _against(idle, base), touched, _against(after, base), comment, setting, back]
    return [*told, f"{idle.peak_mib:.0f} MiB"]


def chains(plan: Plan, tools: Sequence[Tool], base: Cost, place: Path) -> None:
    """Nothing to do in graphs of many targets."""
    table("Chains of ten targets with nothing to do: CPU seconds", ["", *(f"{size:,} targets" for size in plan.chains)])
    for tool in [OURS, *tools]:
        row([tool.name, *_or_why_not(tool, _idle_chains, plan, base, place)])


def _idle_chains(tool: Tool, plan: Plan, base: Cost, place: Path) -> list[str]:
    cells = []
    for size in plan.chains:
        if size > tool.most:
            cells.append("–")
            continue
        with _project(tool, str(size), place) as work:
            work.once()
            cells.append(f"{work.idle(plan.times).cpu_s:.2f} s")
    return cells


def growth(plan: Plan, tools: Sequence[Tool], base: Cost, place: Path) -> None:
    """Ours, from few targets to many."""
    table(
        "sparsebuild in chains of ten: CPU seconds",
        ["targets", "first build", "targets/s", "nothing to do", "peak memory", "one change at a leaf (1 runs)",
         "one at a root (10 run)"],
    )  # fmt: skip
    for size in plan.growth:
        with _project(OURS, str(size), place) as work:
            first = work.once()
            idle = work.idle(plan.times if size <= 10_000 else 1)
            (work.folder / LEAF).write_text("another\n")
            leaf = work.told()
            (work.folder / root(0)).write_text("another\n")
            top = work.told()
        speed = f"{size / first.wall_s:,.0f}"
        row([f"{size:,}", f"{first.cpu_s:.2f} s", speed, _against(idle, base), f"{idle.peak_mib:.0f} MiB", leaf, top])


def own_cost(plan: Plan, tools: Sequence[Tool], base: Cost, place: Path) -> None:
    """What is left of a build when the time of its steps is taken away."""
    table(
        f"Five stages that take {plan.seconds:g} s each: what the engine adds, Python's start included",
        ["", "whole", "steps", "engine", "share"],
    )
    slow = {"BENCH_SECONDS": str(plan.seconds), "BENCH_TIMES": "times"}
    for size, name in ((0, "small files"), (plan.weights_bytes, f"weights of {plan.weights_bytes >> 20} MiB")):
        with _project(OURS, "five", place, max(size, 1 << 20)) as work:
            whole = cost(work.tool.command, work.folder, slow).wall_s
            steps = sum(map(float, (work.folder / "times").read_text().split()))
        engine = whole - steps
        row([name, f"{whole:.2f} s", f"{steps:.2f} s", f"{engine:.2f} s", f"{engine / whole:.1%}"])


PARTS: dict[str, Callable[[Plan, Sequence[Tool], Cost, Path], None]] = {
    "five": five,
    "chains": chains,
    "growth": growth,
    "cost": own_cost,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A project of one tool."""

    tool: Tool
    folder: Path

    def once(self) -> Cost:
        return cost(self.tool.command, self.folder, self.tool.environment)

    def told(self) -> str:
        """What one run costs and how many stages it runs."""
        ran = self.folder / "ran"
        ran.write_text("")
        spent = self.once()
        return f"{spent.cpu_s:.2f} s, {len(ran.read_text().split())} ran"

    def idle(self, times: int) -> Cost:
        """A run with nothing to do; RuntimeError where it does something, since then it is none."""
        (self.folder / "ran").write_text("")
        spent = median(self.once, times)
        if done := (self.folder / "ran").read_text().split():
            raise RuntimeError(f"{self.tool.name} had nothing to do, but ran {', '.join(done[:5])}")
        return spent


@contextlib.contextmanager
def _project(tool: Tool, name: str, place: Path, weights_bytes: int = 0) -> Iterator[Work]:
    """A fresh project with its sources and what the tool reads; gone afterwards."""
    with tempfile.TemporaryDirectory(dir=place) as around:
        folder = Path(around) / "project"
        write_sources(name, folder, weights_bytes)
        tool.write(name, folder)
        yield Work(tool=tool, folder=folder)


@contextlib.contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    made = Path(tempfile.mkdtemp(prefix="sparsebuild-bench-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def _or_why_not(tool: Tool, measure: Callable[[Tool, Plan, Cost, Path], list[str]], *given: Any) -> list[str]:
    """What was measured; a rival that does not work is told, and no reason to stop."""
    try:
        return measure(tool, *given)
    except RuntimeError as error:
        if tool is OURS:
            raise
        say(f"<!-- {error} -->")
        return ["failed"]


def _against(spent: Cost, base: Cost) -> str:
    return f"{spent.cpu_s:.3f} s ({spent.cpu_s / base.cpu_s:.2f} ×)"


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small files and few targets, to see that it works")
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART", help="repeatable; all without it")
    parser.add_argument("--rival", action="append", choices=RIVALS, metavar="NAME", help="likewise")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where to work, and to keep what is installed")
    asked = parser.parse_args(arguments)
    asked.only = asked.only or list(PARTS)
    asked.rival = asked.rival or list(RIVALS)
    return asked


if __name__ == "__main__":
    main(sys.argv[1:])
