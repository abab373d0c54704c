"""A stranger's sparse.toml and recipe: each attack ends in exactly one error, and leaves the project as it was."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ground import CLI, everything

MANIFEST, RECIPE = CLI.MANIFEST.encode(), CLI.RECIPE.encode()
ALLOWED = "allowed are numbers, variables, + - * / // % **, parentheses, and calls of min max round abs int float"


def with_value(value):
    """The recipe with `value` where an epoch should be."""
    return RECIPE.replace(b"end_epoch: 2.0", b"end_epoch: " + value)


def expression(text):
    return with_value(f'"eval({text})"'.encode())


def bomb():
    """A list of ten lists of ten lists …: 10⁹ values in ten lines."""
    lines = [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return f"a: &a [{', '.join('x' * 10)}]\n{''.join(lines)}".encode() + RECIPE


OPENED = RECIPE + b"x: "  # a variable of the attacker's

# What stands in the file, and what is said.
MANIFESTS = {
    "code": (
        b'__import__("os").system("touch pwned")\n' + MANIFEST,
        "`sparse.toml` is not TOML: expected '=' after a key in a key/value pair",
    ),
    "bytes that are no UTF-8": (
        MANIFEST.replace(b"tiny", b"ti\xffny"),
        "`sparse.toml` must be UTF-8, found the byte 0xff",
    ),
    "UTF-16": (MANIFEST.decode().encode("utf-16"), "`sparse.toml` must be UTF-8, found the byte 0xff"),
    "nothing": (b"", "`sparse.toml` is empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", "`sparse.toml` is empty"),
    "a zero byte": (MANIFEST.replace(b"tiny", b"ti\0ny"), "`sparse.toml` is not TOML: illegal character '\\x00'"),
    "50 MB": (
        MANIFEST + b"# " + b"x" * 50_000_000,
        "`sparse.toml` is larger than 500,000 bytes: it is something else than its name says",
    ),
    "ten thousand arrays in each other": (
        MANIFEST + b"x = " + b"[" * 10_000 + b"]" * 10_000,
        "`sparse.toml` is nested too deeply",
    ),
    "ten thousand tables in each other": (
        MANIFEST + b"x = " + b"{a = " * 10_000 + b"1" + b"}" * 10_000,
        "`sparse.toml` is nested too deeply",
    ),
    "a key of ten thousand parts": (MANIFEST + b"a." * 10_000 + b"b = 1\n", "`sparse.toml` is nested too deeply"),
    "a table twice": (MANIFEST + b"[model]\n", "`sparse.toml` is not TOML: cannot declare ('model',) twice"),
    "a key twice": (
        MANIFEST.replace(b'name = "tiny"', b'name = "tiny"\nname = "tiny"'),
        "`sparse.toml` is not TOML: cannot overwrite a value",
    ),
    "a number of five thousand digits": (
        MANIFEST + b"x = " + b"9" * 5000 + b"\n",
        "`sparse.toml` holds a number that is too large",
    ),
    "a model that is code": (
        MANIFEST.replace(b'"model"', b'"python:os"'),
        "`model.source`: unknown scheme `python:` in `python:os`",
    ),
}
RECIPES = {
    "code": (
        expression("__import__('os').system('touch pwned')"),
        "`eval(__import__('os').system('touch pwned'))` cannot be computed: it holds something other than arithmetic",
    ),
    "a chain of attributes": (
        expression("().__class__.__base__.__subclasses__()"),
        "`eval(().__class__.__base__.__subclasses__())` cannot be computed: it holds something other than arithmetic",
    ),
    "a function": (
        expression("(lambda: 1)()"),
        "`eval((lambda: 1)())` cannot be computed: it holds something other than arithmetic",
    ),
    "a huge power": (expression("9**9**9"), "`eval(9**9**9)` cannot be computed: its result is too large"),
    "a format of a gigabyte": (
        expression("'%999999999d' % 1"),
        "`eval('%999999999d' % 1)` cannot be computed: it holds something that is not a number",
    ),
    "an f-string of a gigabyte": (
        expression("f'{1:>999999999}'"),
        "`eval(f'{1:>999999999}')` cannot be computed: it holds something other than arithmetic",
    ),
    "a megabyte of expression": (
        expression("1+" * 500_000 + "1"),
        "recipe.yaml is longer than 200000 characters: that is not a recipe",
    ),
    "a hundred kilobytes of expression": (
        expression("1+" * 50_000 + "1"),
        f"`eval({'1+' * 36}...` cannot be computed: it is longer than 200 characters",
    ),
    "a tag of Python": (
        OPENED + b"!!python/object/apply:os.system ['touch pwned']\n",
        "unexpected tag `!!python/object/apply:os.system`: only plain data is read",
    ),
    "a name of Python": (
        OPENED + b"!!python/name:os.system\n",
        "unexpected tag `!!python/name:os.system`: only plain data is read",
    ),
    "a tag of Python under another name": (
        b"%TAG !y! tag:yaml.org,2002:python/\n---\n" + OPENED + b"!y!object/apply:os.system [x]\n",
        "unexpected tag `!!python/object/apply:os.system`: only plain data is read",
    ),
    "binary": (OPENED + b"!!binary aGk=\n", "unexpected tag `!!binary`: only plain data is read"),
    "an unknown tag": (
        RECIPE.replace(b"!QuantizationModifier", b"!os.system"),
        "there is no modifier `os.system`",
    ),
    "a bomb of aliases": (
        bomb(),
        "with its variables written out, recipe.yaml has more than 2000000 characters",
    ),
    "an alias in itself": (OPENED + b"&x [*x]\n", "an alias stands inside what it means"),
    "five thousand lists in each other": (
        OPENED + b"[" * 5000 + b"]" * 5000 + b"\n",
        "values are nested more than 30 deep",
    ),
    "a key twice": (
        RECIPE.replace(b"end_epoch: 2.0", b"end_epoch: 2.0\n      end_epoch: 2.0"),
        "the key `end_epoch` stands here twice, first in line 4",
    ),
    "bytes that are no UTF-8": (OPENED + b"\xff\n", "the recipe `recipe.yaml` is not UTF-8"),
    "nothing": (b"", "the recipe is empty"),
    "a zero byte": (OPENED + b"\0\n", "a recipe cannot hold the character U+0000"),
    "two documents": (
        RECIPE + b"---\n" + RECIPE,
        "this is not YAML: but found another document (expected a single document in the stream)",
    ),
    "50 MB": (
        RECIPE + b"# " + b"x" * 50_000_000,
        "recipe.yaml is longer than 200000 characters: that is not a recipe",
    ),
}
CASES = {f"sparse.toml: {name}": ("sparse.toml", *case) for name, case in MANIFESTS.items()} | {
    f"recipe: {name}": ("recipe.yaml", *case) for name, case in RECIPES.items()
}


@pytest.mark.parametrize(("file", "data", "message"), CASES.values(), ids=CASES)
def test_it_ends_in_one_clear_error_and_nothing_is_written(say, project, file, data, message):
    (project / file).write_bytes(data)
    before = everything(project)
    said = say("lock")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[0] == f"error: {message}"
    assert said.err.count("error: ") == 1
    assert everything(project) == before


@pytest.mark.parametrize("file", ["sparse.toml", "recipe.yaml"])
def test_a_byte_order_mark_and_other_line_ends_mean_nothing(say, project, file):
    (project / file).write_bytes(b"\xef\xbb\xbf" + (project / file).read_bytes().replace(b"\n", b"\r\n"))
    assert say("lock").code == 0


def test_forty_thousand_unknown_keys_are_not_all_told(say, project):
    (project / "sparse.toml").write_bytes(MANIFEST + b"".join(b"[a%d]\n" % n for n in range(40_000)))
    said = say("lock")
    assert said.code == 2
    assert said.err.count("error: ") == 21
    assert "error: there are more than these 20 problems" in said.err


def test_what_is_quoted_is_one_line_of_some_length(say, project):
    (project / "sparse.toml").write_bytes(MANIFEST + b'"a\\nb\\n' + b"k" * 100_000 + b'" = 1\n')
    said = say("lock")
    assert said.code == 2
    assert len(said.err.splitlines()[0]) < 1100
    assert said.err.startswith('error: unknown key `gate."a\\nb\\nkkk')


@pytest.mark.parametrize(
    "words", [("--set", "a." * 100 + "b=1"), ("--set", f"x={'[' * 100}{']' * 100}")], ids=["key", "value"]
)
def test_a_setting_of_endless_depth_is_refused(say, words):
    said = say("lock", *words)
    assert said.code == 2
    assert said.err.splitlines()[0].endswith("is nested too deeply")


@pytest.mark.parametrize(
    "words", [(), ("--arg", f"x={'[' * 100_000}"), ("--arg", "=")], ids=["alone", "deep", "no argument"]
)
def test_a_recipe_is_looked_at_in_the_same_way(say, project, words):
    (project / "recipe.yaml").write_bytes(OPENED + b"!!python/name:os.system\n")
    said = say("recipe", "show", "recipe.yaml", *words)
    assert said.code == 2
    assert said.err.startswith("error: ")
