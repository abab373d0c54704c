"""The arithmetic inside `eval(...)`: a small language of our own, in Python's grammar, never run as Python."""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from sparsebuild.registry import did_you_mean

__all__ = [
    "ALLOWED",
    "ExpressionError",
    "evaluate",
    "holds_expression",
    "is_expression",
    "names",
    "names_in",
    "substitute",
]

ALLOWED = "numbers, variables, + - * / // % **, parentheses, and calls of min max round abs int float"
_LONGEST = 200  # characters
_DEEPEST = 25  # operations inside operations
_MOST = 20  # expressions in one text
_LARGEST = 1e30  # of any result on the way: so no step of a calculation can take long
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: lambda base, exponent: _power(base, exponent),
}
_SIGNS: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_CALLS: Mapping[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "round": lambda x, digits=None: round(x, digits and max(-20, min(20, int(digits)))),  # 10 ** digits is computed
    "abs": abs,
    "int": int,
    "float": float,
}


class ExpressionError(ValueError):
    """What is wrong with an expression, as a clause whose subject is "it"; `hint` says what may help."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.hint = hint or f"allowed are {ALLOWED}"
        super().__init__(message)


def is_expression(value: object) -> bool:
    """Whether the whole value is `eval(...)`; text around it makes it an ordinary string."""
    return isinstance(value, str) and value.strip().startswith("eval(") and value.strip().endswith(")")


def names(text: str) -> tuple[str, ...]:
    """The variables that an `eval(...)` looks at, in the order in which they stand."""
    nodes = list(ast.walk(_parsed(text)))
    called = [n.func for n in nodes if isinstance(n, ast.Call)]
    found = [n for n in nodes if isinstance(n, ast.Name) and n not in called]
    return tuple(dict.fromkeys(n.id for n in sorted(found, key=lambda n: n.col_offset)))


def evaluate(text: str, variables: Mapping[str, Any]) -> Any:
    """The value of an `eval(...)`: a finite number, or whatever a lone variable holds. Raises ExpressionError."""
    tree = _parsed(text)
    if isinstance(tree, ast.Name) and tree.id in variables:
        return variables[tree.id]
    try:
        return _value(tree, variables, 0)
    except ZeroDivisionError:
        raise ExpressionError("it divides by zero") from None
    except OverflowError:
        raise ExpressionError("its result is too large") from None
    except TypeError as error:
        raise ExpressionError(f"it does not compute ({error})") from None


def holds_expression(value: object) -> bool:
    """Whether an `eval(...)` stands anywhere in a text, as the newer form of recipes has it."""
    return isinstance(value, str) and "eval(" in value


def substitute(text: str, variables: Mapping[str, Any]) -> Any:
    """`text` with each `eval(...)` in it worked out, inner ones first; a text that is nothing else is its value."""
    for _ in range(_MOST):
        start = text.rfind("eval(")
        if start < 0:
            return text
        end = _closing(text, start + len("eval("))
        value = evaluate(text[start:end], variables)
        if (start, end) == (0, len(text)):
            return value
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise ExpressionError("it puts something into a text that is no text and no number")
        whole = isinstance(value, float) and value.is_integer()
        text = text[:start] + str(int(value) if whole else value) + text[end:]
        if len(text) > _LONGEST * _MOST:
            raise ExpressionError("the text that it makes is too long")
    raise ExpressionError(f"it holds more than {_MOST} expressions")


def names_in(text: str) -> tuple[str, ...]:
    """The variables that the `eval(...)`s anywhere in a text look at."""
    found: list[str] = []
    while (start := text.rfind("eval(")) >= 0:
        end = _closing(text, start + len("eval("))
        found = [*names(text[start:end]), *found]
        text = text[:start] + "0" + text[end:]
    return tuple(dict.fromkeys(found))


def _closing(text: str, start: int) -> int:
    """Where the parenthesis that was opened before `start` has been closed."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at + 1
    raise ExpressionError("its parenthesis is not closed")


def _parsed(text: str) -> ast.expr:
    inside = text.strip()[len("eval(") : -1].strip()
    if len(inside) > _LONGEST:
        raise ExpressionError(f"it is longer than {_LONGEST} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # "1or x" is refused below, without Python's comment on it
            return ast.parse(inside, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError("it is not arithmetic") from None


def _value(node: ast.expr, variables: Mapping[str, Any], depth: int) -> Any:
    """The number that `node` stands for; every result on the way is finite and of bounded size."""
    if depth > _DEEPEST:
        raise ExpressionError(f"it is nested more than {_DEEPEST} deep")
    match node:
        case ast.Constant(value=bool() | complex() | str() | bytes() | None):
            raise ExpressionError("it holds something that is not a number")
        case ast.Constant(value=int() | float() as number):
            return _bounded(number)
        case ast.Name(id=name):
            return _bounded(_number(name, variables))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            return _SIGNS[type(op)](_value(operand, variables, depth + 1))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            sides = [_value(side, variables, depth + 1) for side in (left, right)]
            return _bounded(_OPERATORS[type(op)](*sides))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _CALLS:
            return _bounded(_CALLS[name](*(_value(a, variables, depth + 1) for a in args)))
        case ast.Call(func=ast.Name(id=name)):
            raise ExpressionError(f"it calls `{name}`, which is not one of the allowed functions or not in this way")
    raise ExpressionError("it holds something other than arithmetic")


def _number(name: str, variables: Mapping[str, Any]) -> Any:
    if name not in variables:
        near = did_you_mean(name, variables) or f"the variables are: {', '.join(sorted(variables)[:50]) or 'none'}"
        raise ExpressionError(f"there is no variable `{name}`", near)
    if not isinstance(variables[name], int | float):
        raise ExpressionError(f"the variable `{name}` is not a number")
    return variables[name]


def _power(base: float, exponent: float) -> Any:
    if abs(exponent) > 64 or abs(base) > 1e9:
        raise ExpressionError("its result is too large")
    return base**exponent


def _bounded(result: Any) -> Any:
    """`result`, if it is a real number of a size that a recipe can mean."""
    if isinstance(result, complex):
        raise ExpressionError("its result is not a real number")
    if not math.isfinite(result) or abs(result) > _LARGEST:
        raise ExpressionError("its result is too large")
    return result
