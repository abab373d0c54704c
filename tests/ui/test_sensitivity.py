"""The ranking of layers, and what to write into a recipe."""

import io

import pytest

from sparsebuild.ui.sensitivity import show

NOTE = """
A table of embeddings is worse than any of them. Tables are quantized all or none, wherever they lie; to
leave them out too, at four times their size, add:

      quantize_embeddings: false
"""


@pytest.mark.parametrize(("shift", "note"), [(0.5, NOTE), (0.1, "")])
def test_the_lines_leave_out_linears_and_a_worse_table_is_told_of(shift, note):
    effect = {"shift": 0.2, "f1_change": 0.0}
    layers = [
        {"name": "table", "quantize": {**effect, "shift": shift}},
        {"name": "dense", "quantize": effect, "prune": {**effect, "sparsity_before": 0.0, "sparsity": 0.5}},
    ]
    recipe = {"prune": ["params:", "  - other.weight"], "quantize": ["submodules:", "  - other"]}
    found = {"model": "train", "f1": 0.9, "sentences": 3, "share": 0.5, "layers": layers, "recipe": recipe}
    out = io.StringIO()
    show(found, ["a.svg"], out)
    told = out.getvalue()
    assert "\nTo leave out the worst Linears, write in the QuantizationModifier of the recipe:\n" in told
    assert told.partition("  - other\n")[2].partition("\nplots")[0] == f"{note}"
