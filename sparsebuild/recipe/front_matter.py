"""Where the YAML is in a recipe's text: all of it, or the front matter of a Markdown file."""

from __future__ import annotations

import re

from sparsebuild.errors import Position, Problem, RecipeError

__all__ = ["NoRecipe", "parts", "yaml_part"]

_SUFFIXES = (".yaml", ".yml", ".md")
_DELIMITERS = ("---", "+++")
_COMMENT = re.compile(r"\s*(<!--.*?-->\s*)*", re.DOTALL)


class NoRecipe(RecipeError):
    """A file is called as no recipe is, so that what is wrong is its name where it was given."""


def yaml_part(text: str, file: str) -> str:
    """The YAML of `text`, on the lines on which it stands: what comes before and after is left blank."""
    before, yaml, _ = parts(text, file)
    return "\n" * before.count("\n") + yaml


def parts(text: str, file: str) -> tuple[str, str, str]:
    """What comes before the YAML of `text`, the YAML, and what comes after; put together they are the text."""
    suffix = file[file.rfind(".") :].lower() if "." in file.rpartition("/")[2] else ""
    if suffix and suffix not in _SUFFIXES:
        raise NoRecipe(f"`{file}` is not a recipe: recipes are {', '.join(_SUFFIXES)} files")
    if suffix in (".yaml", ".yml"):
        return "", text, ""
    comment = _COMMENT.match(text)
    above = text.count("\n", 0, comment.end()) if comment else 0
    lines = text.split("\n")
    opening = lines[above].strip().removeprefix("\ufeff")
    if opening not in _DELIMITERS:
        if suffix == ".md":
            raise _front_matter_error("the recipe has no front matter: a line `---` must come first", file, above + 1)
        return "", text, ""
    for number in range(above + 1, len(lines)):
        if lines[number].rstrip() == opening:
            head, inside = "\n".join(lines[: above + 1]), "\n".join(lines[above + 1 : number])
            return head + "\n", inside + "\n" if inside else "", "\n".join(lines[number:])
    raise _front_matter_error(f"the front matter is not closed: a line `{opening}` must end it", file, above + 1)


def _front_matter_error(message: str, file: str, line: int) -> RecipeError:
    return RecipeError(Problem(message=message, position=Position(file=file, line=line)))
