"""What is written as text is UTF-8, whatever the locale."""

import ast
from pathlib import Path

import sparsebuild

PACKAGE = Path(sparsebuild.__file__).parent


def writes():
    """Each call of `write_text`, with where it stands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "write_text":
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


def is_ascii(call):
    """JSON is, unless it was asked not to be."""
    said = ast.unparse(call.args[0])
    return "json.dumps(" in said and "ensure_ascii" not in said


def test_text_is_written_as_utf8_whatever_the_locale():
    named = {where for where, call in writes() if any(keyword.arg == "encoding" for keyword in call.keywords)}
    assert [where for where, call in writes() if where not in named and not is_ascii(call)] == []
