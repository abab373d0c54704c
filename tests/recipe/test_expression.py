"""The arithmetic of `eval(...)`."""

from __future__ import annotations

import time

import pytest

from sparsebuild.recipe.expression import ExpressionError, evaluate, is_expression, names

VARIABLES = {"x": 3, "y": 0.5, "func": "linear", "levels": (1, 2), "on": True}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("eval(x)", 3),
        ("eval(-x)", -3),
        ("eval(+x - -2)", 5),
        ("eval(x * (1 + y))", 4.5),
        ("eval(7 // 2 + 7 % 4)", 6),
        ("eval(2 ** -1)", 0.5),
        ("eval(x / 2)", 1.5),
        ("eval(min(x, 2) + max(1, y, 2) + abs(-1) + int(2.9) + float(1))", 8.0),
        ("eval(round(2.5))", 2),
        ("eval(round(1.25, 1))", 1.2),
        ("eval(1e-4 * 2)", 2e-4),
        ("  eval( x )  ", 3),
    ],
)
def test_arithmetic_is_pythons(text: str, value: float) -> None:
    assert evaluate(text, VARIABLES) == value
    assert type(evaluate(text, VARIABLES)) is type(value)


@pytest.mark.parametrize("name", ["func", "levels", "on"])
def test_a_lone_name_passes_anything_through(name: str) -> None:
    assert evaluate(f"eval({name})", VARIABLES) is VARIABLES[name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("eval(__import__('os').system('x'))", "it holds something other than arithmetic"),
        ("eval(().__class__)", "it holds something other than arithmetic"),
        ("eval(x if x else 1)", "it holds something other than arithmetic"),
        ("eval(x < 1)", "it holds something other than arithmetic"),
        ("eval(levels[0])", "it holds something other than arithmetic"),
        ("eval([x])", "it holds something other than arithmetic"),
        ("eval(~x)", "it holds something other than arithmetic"),
        ("eval(x @ x)", "it holds something other than arithmetic"),
        ("eval(max(*levels))", "it holds something other than arithmetic"),
        ("eval(lambda: 1)", "it holds something other than arithmetic"),
        ("eval((x := 1))", "it holds something other than arithmetic"),
        ("eval(...)", "it holds something other than arithmetic"),
        ("eval('a')", "it holds something that is not a number"),
        ("eval(True + 1)", "it holds something that is not a number"),
        ("eval(2j)", "it holds something that is not a number"),
        ("eval(open('f'))", "it calls `open`, which is not one of the allowed functions or not in this way"),
        ("eval(eval(x))", "it calls `eval`, which is not one of the allowed functions or not in this way"),
        ("eval(round(x, ndigits=1))", "it calls `round`, which is not one of the allowed functions or not in this way"),
        ("eval(func * 2)", "the variable `func` is not a number"),
        ("eval(z)", "there is no variable `z`"),
        ("eval(9**9**9)", "its result is too large"),
        ("eval(10.0 ** 60)", "its result is too large"),
        ("eval(9**60)", "its result is too large"),
        ("eval(1e999)", "its result is too large"),
        ("eval((-8) ** 0.5)", "its result is not a real number"),
        ("eval(0 ** -1)", "it divides by zero"),
        ("eval(1 % 0)", "it divides by zero"),
        ("eval(max())", "it does not compute (max expected at least 1 argument, got 0)"),
        ("eval()", "it is not arithmetic"),
        ("eval(x) + (y)", "it is not arithmetic"),
        ("eval(x +)", "it is not arithmetic"),
        ("eval(x; y)", "it is not arithmetic"),
        (f"eval({'(' * 90}1{')' * 90})", None),
        (f"eval({'(' * 500}1{')' * 500})", "it is longer than 200 characters"),
        (f"eval({'-' * 60}1)", "it is nested more than 25 deep"),
        (f"eval({'9' * 190} ** 2)", "its result is too large"),
    ],
)
def test_anything_else_is_refused_at_once(text: str, message: str | None) -> None:
    start = time.perf_counter()
    if message is None:
        assert evaluate(text, VARIABLES) == 1
    else:
        with pytest.raises(ExpressionError) as caught:
            evaluate(text, VARIABLES)
        assert str(caught.value) == message
    assert time.perf_counter() - start < 0.1


def test_rounding_to_very_many_digits_takes_no_time() -> None:
    start = time.perf_counter()
    assert evaluate("eval(round(5, -9**9))", {}) == 0
    assert time.perf_counter() - start < 0.1


def test_an_error_says_what_is_allowed() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate("eval(x < 1)", VARIABLES)
    allowed = "numbers, variables, + - * / // % **, parentheses, and calls of min max round abs int float"
    assert caught.value.hint == f"allowed are {allowed}"


@pytest.mark.parametrize("value", ["eval(x) + 1", "x eval(x)", "evaluate(x)", "", 3, None])
def test_only_a_whole_eval_is_an_expression(value: object) -> None:
    assert not is_expression(value)


def test_names_are_the_variables_and_not_the_functions() -> None:
    assert names("eval(max(a, b) + a * round)") == ("a", "b", "round")
