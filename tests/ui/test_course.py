"""ui/course.py: a recipe's course, drawn in characters."""

import io

from sparsebuild.modifiers.curves import Course
from sparsebuild.ui import course


def test_a_curve_is_as_high_as_its_values():
    assert course.curve([0, 0.25, 0.5, 1.0, None], rows=2) == ["   █ ", "_▄██·"]


def test_what_is_there_at_all_is_seen():
    assert course.curve([1e-9, 1.0], rows=1) == ["▁█"]
    assert course.curve([0.0, 0.0], rows=1) == ["__"]


def test_only_what_the_recipe_sets_is_drawn():
    stream = io.StringIO()
    at = tuple(i + 0.5 for i in range(4))
    nothing = (None,) * 4
    drawn = Course(epochs=4, at=at, learning_rate=nothing, sparsity=nothing, quantized=(False, False, True, True))
    course.show(drawn, stream)
    assert stream.getvalue().split("\n") == [
        "int8                  │··━━",
        "epochs                └0  4",
        "",
    ]
