"""ui/figures.py: numbers as people read them."""

import pytest

from sparsebuild.ui.figures import count, duration, figures, share, size


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (723, "12 min 3 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_have_two_units_at_most(seconds, told):
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 B"), (999, "999 B"), (22_934_224, "22.9 MB"), (999_960, "1.0 MB"), (5e12, "5000.0 GB")]
)
def test_sizes_are_in_powers_of_1000(number, told):
    assert size(number) == told


def test_figures_come_in_the_order_that_people_expect():
    fields = {
        "f1": 0.55384,
        "precision": 1.0,
        "loss": 0.14321,
        "learning_rate": 2.5e-4,
        "epoch": 3.2512,
        "step": 1234.0,
    }
    assert figures(fields) == ["epoch 3.25", "loss 0.1432", "lr 2.5e-04", "F1 0.5538", "precision 1.0000", "step 1,234"]


def test_sparsity_is_a_share_and_text_stays_text_but_inert():
    assert figures({"sparsity": 0.8, "phase": "int8\x1b[31m\nnow"}) == ["sparsity 80.0 %", "phase int8 now"]


def test_counts_know_one_from_many():
    assert (count(1, "target"), count(2000, "target"), share(0.12345)) == ("1 target", "2,000 targets", "12.3 %")
