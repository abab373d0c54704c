"""A table of kernel times from the times of whole small encoders."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from sparsebuild.numerics.kernel_times import KernelTimes, Probe, probes
from sparsebuild.numerics.layer_shape import LayerShape

MINILM = {"layers": 6, "heads": 12, "neurons": 1536}
DENSE = LayerShape(heads=12, neurons=1536)


def true_time(probe: Probe, rest: float = 0.3) -> float:
    """In ms: a layer has a fixed part, its neurons go two hundred at once, its heads in a curve."""
    shape = probe.shape
    return rest + probe.layers * (0.2 + 0.1 * shape.heads**1.1 + 0.0013 * shape.neurons)


def measured(sizes: dict[str, int], noise: float = 0.0) -> KernelTimes:
    wanted = probes(**sizes)
    wobble = {p: 1 + noise * (-1) ** i for i, p in enumerate(wanted)}
    return KernelTimes.of({p: true_time(p) * wobble[p] for p in wanted}, dense=40.0)


@pytest.mark.parametrize("sizes", [MINILM, {"layers": 12, "heads": 12, "neurons": 3072}, {**MINILM, "layers": 2}])
def test_the_time_of_any_shape_at_measured_sizes_is_found(sizes: dict[str, int]) -> None:
    times = measured(sizes)
    for heads in times.attention:
        for neurons in times.neurons:
            shape = LayerShape(heads=heads, neurons=neurons)
            for layers in (1, 5):
                true = true_time(Probe(layers=layers, shape=shape))
                assert times.milliseconds([shape] * layers) == pytest.approx(true, rel=1e-6)


def test_each_term_has_its_own_time_and_no_neurons_take_none() -> None:
    times = measured(MINILM)
    assert times.rest == pytest.approx(0.3)
    assert times.neurons[768] == pytest.approx(0.0013 * 768)
    assert times.attention[6] == pytest.approx(0.2 + 0.1 * 6**1.1)


def test_sizes_between_and_below_lie_on_lines() -> None:
    times = measured(MINILM)
    costs = times.costs(6, range(1, 13), [1, 33, 700, 1536])
    assert [costs.neurons[0][n] for n in (1, 33, 700)] == pytest.approx([0.0013 * n / 40 for n in (1, 33, 700)])
    assert costs.heads[0][7] == pytest.approx((times.attention[6] * 2 + times.attention[9]) / 3 / 40)
    assert costs.of([DENSE] * 6) == pytest.approx(times.share([DENSE] * 6))


@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_noise_never_makes_more_cost_less(noise: float) -> None:
    times = measured(MINILM, noise)
    costs = times.costs(6, range(1, 13), range(1, 1537))
    for table in (costs.heads[0], costs.neurons[0]):
        assert all(0 <= less <= more for less, more in pairwise(table.values()))
    if noise < 0.1:
        assert times.milliseconds([DENSE] * 6) == pytest.approx(true_time(Probe(layers=6, shape=DENSE)), rel=2 * noise)


def test_it_goes_through_json() -> None:
    times = measured(MINILM)
    assert KernelTimes.from_json(json.loads(json.dumps(times.to_json()))) == times


@pytest.mark.parametrize(
    ("layers", "heads", "neurons"), [(1, 1, 1), (2, 2, 8), (3, 4, 24), (4, 12, 600), (4, 12, 1200), (1, 16, 4096)]
)
def test_tiny_and_large_encoders_can_be_probed(layers: int, heads: int, neurons: int) -> None:
    wanted = probes(layers, heads, neurons)
    assert len(set(wanted)) == len(wanted)
    assert all(1 <= p.shape.heads <= heads and 1 <= p.shape.neurons <= neurons for p in wanted)
    assert {p.layers for p in wanted} == {1, 2} if layers <= 2 else {1, 4}
    times = KernelTimes.of({p: true_time(p) for p in wanted}, dense=1.0)
    whole = LayerShape(heads=heads, neurons=neurons)
    assert times.milliseconds([whole]) == pytest.approx(true_time(Probe(layers=1, shape=whole)), rel=1e-6)
