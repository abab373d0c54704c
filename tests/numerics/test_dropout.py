"""numerics/dropout.py: zeros by the probability asked for, the mean kept, the gradient through what stays."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebuild.numerics.dropout import dropout

PROBABILITIES, DTYPES = st.floats(0, 0.99), (torch.float32, torch.bfloat16)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_as_many_go_as_are_asked_for_and_the_mean_stays(probability):
    torch.manual_seed(0)
    count = 400_000
    dropped = dropout(torch.ones(count), probability)
    sigma = (probability * (1 - probability) / count) ** 0.5
    assert float((dropped == 0).float().mean()) == pytest.approx(probability, abs=4 * sigma + 1 / 131_072)
    assert dropped.max() == pytest.approx(1 / (1 - probability), rel=1e-4)
    assert dropped.mean() == pytest.approx(1, abs=4 * sigma / (1 - probability))


def test_neighbours_are_drawn_apart():
    """Four draws lie in one number of the generator: that one goes says nothing of the next."""
    torch.manual_seed(0)
    gone = (dropout(torch.ones(400_000), 0.5) == 0).float()
    for apart in (1, 2, 3, 4):
        assert float((gone[apart:] * gone[:-apart]).mean()) == pytest.approx(0.25, abs=0.004)


@given(probability=PROBABILITIES, shape=st.lists(st.integers(0, 7), max_size=3), dtype=st.sampled_from(DTYPES))
@settings(deadline=None)  # the first backward pass of a process takes its time
def test_each_value_goes_or_is_scaled_and_its_gradient_as_well(probability, shape, dtype):
    x = (torch.rand(shape) + 1).to(dtype)
    x = (x.mT if len(shape) > 1 else x).requires_grad_()
    dropped = dropout(x, probability)
    (dropped * 3).sum().backward()
    factor = 65_536 / (65_536 - round(probability * 65_536))
    assert dropped.dtype == dtype
    assert torch.equal(dropped, torch.where(dropped != 0, x * factor, 0))
    assert torch.equal(x.grad, torch.where(dropped != 0, torch.full_like(x, 3) * factor, 0))


def test_a_seed_says_what_goes():
    def drawn(seed):
        torch.manual_seed(seed)
        return dropout(torch.ones(1001), 0.5)

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
