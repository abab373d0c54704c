"""README.md: what it shows is so."""

import re
from pathlib import Path

from sparsebuild import errors, manifest, modifiers
from sparsebuild.cli.main import COMMANDS

README = (Path(__file__).parents[2] / "README.md").read_text()


def first_cells():
    """Of all rows of all tables."""
    return [line.split("|")[1].strip() for line in README.splitlines() if line.startswith("| ")]


def test_its_manifest_can_be_read():
    block = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert manifest.parse(block[1]).project.name == "my-ner"


def test_every_command_is_in_it():
    assert {cell.strip("`").split()[1] for cell in first_cells() if cell.startswith("`sparsebuild ")} == set(COMMANDS)


def test_every_exit_code_is_in_it():
    told = {int(code) for cell in first_cells() if cell[:1].isdigit() for code in cell.split(", ")}
    kinds = [getattr(errors, name) for name in errors.__all__]
    codes = {kind.exit_code for kind in kinds if hasattr(kind, "exit_code")}
    assert codes <= told


def test_every_modifier_is_in_it():
    assert set(re.findall(r"`(\w+Modifier)`", README)) == set(modifiers.MODIFIERS)
