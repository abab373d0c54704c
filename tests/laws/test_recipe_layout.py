"""Laws of a recipe's layout: it is reached in one go, and neither meaning nor comments are lost on the way."""

from __future__ import annotations

import re
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sparsebuild import recipe
from sparsebuild.recipe.layout import formatted

SCALARS = ["1", "0.5", "1e-4", "abc", "'it''s #1'", '"a: b # c"', "yes", "~", "eval(a + 1)", "re:bert.*", "2:4", "''"]
NOTES = ["# note", "# a: b", "# - x", "#'"]


class Untidy:
    """Writes recipes as nobody should."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.anchors = 0

    def text(self) -> str:
        variables = "".join(f"v{i}:" + self.value(0, 3) for i in range(self.random.randint(0, 3)))
        modifiers = "".join(self.modifier(2) for _ in range(self.random.randint(1, 3)))
        return f"{self.above(0)}{variables}{self.above(0)}x_modifiers:{self.behind()}\n{modifiers}{self.above(0)}"

    def modifier(self, indent: int) -> str:
        head = f"{self.above(indent)}{' ' * indent}- !M"
        kind = self.random.random()
        if kind < 0.4:
            return head + (f" {{a: {self.flow(1)}}}" if kind < 0.2 else "") + self.behind() + "\n"
        return head + self.behind() + "\n" + self.mapping(indent + self.random.choice([2, 4, 6]), 2)

    def value(self, indent: int, depth: int) -> str:
        """What comes after a key, to the end of its last line."""
        kind, inner = self.random.random(), " " * (indent + 2)
        if depth <= 0 or kind < 0.4:
            return f" {self.anchor()}{self.flow(2)}{self.behind()}\n"
        if kind < 0.6:
            block = f" |\n{inner}text # no comment\n{inner} more\n"
            words = f" plain words\n{inner}go on\n"
            listed = f" [1,{self.behind()}\n{self.above(0)}{inner}2, x]{self.behind()}\n"
            return self.random.choice([block, words, listed])
        head = f" {self.anchor()}".rstrip() + self.behind() + "\n"
        if kind < 0.8:
            return head + self.mapping(indent + self.random.choice([1, 2, 4]), depth - 1)
        return head + self.listed(indent + self.random.choice([0, 2]), depth - 1)

    def mapping(self, indent: int, depth: int) -> str:
        keys = range(self.random.randint(1, 3))
        return "".join(f"{self.above(indent)}{' ' * indent}k{i}:{self.value(indent, depth)}" for i in keys)

    def listed(self, indent: int, depth: int) -> str:
        found = ""
        for _ in range(self.random.randint(1, 3)):
            found += self.above(indent) + " " * indent + "-"
            if depth <= 0 or self.random.random() < 0.6:
                found += f" {self.flow(2)}{self.behind()}\n"
            else:
                found += self.behind() + "\n" + self.listed(indent + 2, depth - 1)
        return found

    def flow(self, depth: int) -> str:
        kind, size = self.random.random(), self.random.randint(0, 3)
        if depth <= 0 or kind < 0.5:
            return self.random.choice(SCALARS)
        if kind < 0.75:
            return "[" + ", ".join(self.flow(depth - 1) for _ in range(size)) + "]"
        return "{" + ", ".join(f"k{i}: {self.flow(depth - 1)}" for i in range(size)) + "}"

    def anchor(self) -> str:
        self.anchors += 1
        return f"&n{self.anchors} " if self.random.random() < 0.2 else ""

    def above(self, indent: int) -> str:
        found = ""
        while self.random.random() < 0.25:
            comment = " " * self.random.choice([0, indent]) + self.random.choice(NOTES)  # deeper it may be text
            found += self.random.choice(["", comment]) + "\n"
        return found

    def behind(self) -> str:
        return self.random.choice(["", "", "", " ", "  # t", "   # u: v"])


COMMENT = re.compile(r"(?<!\S)#(?: note| a: b| - x| t| u: v|')$", re.MULTILINE)


@given(st.integers(0, 10**9))
def test_one_layout_with_every_comment_and_the_same_meaning(seed: int) -> None:
    text = Untidy(Random(seed)).text()
    tidy = formatted(text, "r.yaml")
    assert formatted(tidy, "r.yaml") == tidy
    assert sorted(COMMENT.findall(tidy)) == sorted(COMMENT.findall(text))
    first, second = (recipe.resolve(recipe.read(f"a: 1\n{one}", "r.yaml")) for one in (text, tidy))
    assert first.to_json() == second.to_json()
    assert first.variables == second.variables
