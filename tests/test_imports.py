"""The floors of the house, and what it costs to open the door."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import sparsebuild

PACKAGE = Path(sparsebuild.__file__).parent

# Imports go down, or stay on the same floor inside one folder. Documents and engine share a floor and know nothing of
# each other; so do the drawers.
FLOORS = [
    {
        "atomic",
        "concealed",
        "errors",
        "events",
        "digest",
        "encoders",
        "frame",
        "layout",
        "libraries",
        "reading",
        "registry",
        "switches",
        "numerics",
        "__init__",
    },
    {"manifest", "recipe", "lock", "engine"},
    {"providers", "tasks", "modifiers", "exporters", "executors", "training", "shipping", "runtimes", "pages"},
    {"bundle", "resolve", "pipeline", "origins", "steps"},
    {"cli", "ui", "__main__"},
]
# On these floors neighbours may call each other.
SHARED = [FLOORS[0], FLOORS[3], FLOORS[4]]
# Documents may know each other; a drawer may not look into another one, but for what this says and why.
NEIGHBOURS = {
    "manifest": {"recipe", "lock"},
    "recipe": {"manifest", "lock"},
    "lock": {"manifest", "recipe"},
    "training": {"modifiers", "tasks"},  # the loop calls modifiers at their moments, and a task knows its loss
    "modifiers": {"training"},  # the quantization modifier switches on what `training/quantization.py` put in place
    "shipping": {"providers"},  # who publishes to the Hub speaks to it as who fetches from it
    "exporters": {"training"},  # a trained model is rebuilt from its structure in `training/`
}
HEAVY = {
    "accelerate", "datasets", "huggingface_hub", "onnx", "onnxruntime", "pyarrow", "pydantic", "ray", "safetensors",
    "torch", "transformers",
}  # fmt: skip
MAY_IMPORT_TORCH = {"numerics", "training"}


def part(module):
    """The folder or file right under the package that `module` belongs to."""
    names = module.split(".")
    return names[1] if len(names) > 1 else "__init__"


def floor(module):
    return next(number for number, parts in enumerate(FLOORS) if part(module) in parts)


def modules():
    return {
        ".".join(("sparsebuild", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


MODULES = modules()
TREES = {name: ast.parse(path.read_text(), path.name) for name, path in MODULES.items()}


def imported(nodes, name):
    """What `nodes` of the module `name` import, as dotted names; of ours the module, not what is taken from it."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports by dots; write it out"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def everywhere(name):
    return set(imported(ast.walk(TREES[name]), name))


def at_the_top(name):
    """What is imported when the module is: not inside functions, not for type checkers only."""
    return set(imported(_run_at_import(TREES[name].body), name))


def _run_at_import(body):
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _run_at_import(node.orelse)
            continue
        yield node
        yield from _run_at_import(ast.iter_child_nodes(node))


def ours(names):
    return {name for name in names if name.split(".")[0] == "sparsebuild"}


def is_upstairs_or_next_door(module, other):
    here, there = part(module), part(other)
    if here == there or there == "__init__" or floor(other) < floor(module):
        return False
    neighbours = any({here, there} <= shared for shared in SHARED) or there in NEIGHBOURS.get(here, ())
    return floor(other) > floor(module) or not neighbours


def test_every_part_has_a_floor():
    assert {part(name) for name in MODULES} - set().union(*FLOORS) == set()


def test_imports_go_down():
    wrong = [
        f"{module} imports {other}"
        for module in MODULES
        for other in ours(everywhere(module))
        if is_upstairs_or_next_door(module, other)
    ]
    assert wrong == []


def test_nothing_imports_itself_round_a_corner():
    graphlib.TopologicalSorter({m: ours(at_the_top(m)) - {m} for m in MODULES}).prepare()


def test_no_heavy_import_stands_at_the_top_of_a_file():
    wrong = [
        f"{module} imports {name}"
        for module in MODULES
        for name in at_the_top(module)
        if (root := name.split(".")[0]) in HEAVY and not (root == "torch" and part(module) in MAY_IMPORT_TORCH)
    ]
    assert wrong == []


def test_folders_are_two_deep_and_well_named():
    assert [path for path in MODULES.values() if len(path.relative_to(PACKAGE).parts) > 2] == []
    bad = {"utils", "util", "helpers", "common", "manager", "misc"}
    assert [name for name in MODULES if bad & set(name.split("."))] == []


# What is needed to look at a project, or to find that there is nothing to do: all but the work itself.
WORK = {"numerics", "training", "exporters", "steps"}


@pytest.mark.parametrize(
    "parts", [FLOORS[1], set().union(*FLOORS) - WORK], ids=["documents and engine", "all but work"]
)
def test_looking_at_a_project_imports_nothing_heavy(parts):
    chosen = [name for name in MODULES if part(name) in parts and part(name) != "__main__"]
    code = f"import sys\nfor name in {chosen!r}: __import__(name)\nprint(*sorted({HEAVY!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert found.stdout.split() == []
