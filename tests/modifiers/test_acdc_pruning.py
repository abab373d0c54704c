"""Dense and sparse by turns."""

from __future__ import annotations

import math

import pytest
import torch

from sparsebuild.errors import RecipeError


def entry(**fields: object) -> str:
    given = {"start_epoch": 0, "end_epoch": 3, "update_frequency": 0.5, "compression_sparsity": 0.75}
    given |= {"params": "['re:.*dense.weight']", **fields}
    return f"  - !ACDCPruningModifier {{{', '.join(f'{k}: {v}' for k, v in given.items())}}}\n"


def zeros(training) -> list[float]:
    """The share of exact zeros after each step."""
    weights, seen = training.attached[0].held.weights, []
    for step in range(12):
        training.run(first=step, last=step + 1)
        seen.append(sum(int((w == 0).sum()) for w in weights.values()) / sum(w.numel() for w in weights.values()))
    return seen


def test_phases_take_turns_and_the_last_is_sparse(training) -> None:
    """SparseML's rule: dense where floor((e - start) / frequency) is even and e < end - frequency."""
    seen = zeros(training(entry()))
    assert [share == 0.75 for share in seen] == [math.floor(k / 4 / 0.5) % 2 == 1 for k in range(12)]
    assert max(seen[k] for k in (0, 1, 4, 5, 8, 9)) < 0.3


@pytest.mark.parametrize(("end", "first_sparse"), [(2.5, 8), (3, 10), (9, 10)])
def test_the_last_phase_is_sparse_whatever_its_number(end: float, first_sparse: int, training) -> None:
    begun = training(entry(end_epoch=end, update_frequency=0.5 if end == 3 else 0.75 if end == 9 else 0.5))
    seen = zeros(begun)
    assert all(share == 0.75 for share in seen[first_sparse:])
    promise = begun.attached[0].promises()[0]
    assert promise.zeros == sum(int((m == 0).sum()) for m in begun.masks().values())


def test_the_smallest_go_and_come_back(training) -> None:
    begun = training(entry(params="[classifier.weight]")).run(last=2)
    weight = begun.attached[0].held.weights["classifier.weight"]
    before = weight.detach().abs().clone()
    begun.run(first=2, last=3)
    kept = begun.masks()["classifier.weight"].bool()
    assert float(before[~kept].max()) <= float(before[kept].min())
    begun.run(first=3, last=5)
    assert begun.masks() == {}
    assert bool((weight != 0).all())


@pytest.mark.parametrize("reset", ["true", "false"])
def test_a_dense_phase_begins_without_momentum_unless_it_is_kept(reset: str, training) -> None:
    begun = training(entry(momentum_buffer_reset=reset)).run(last=4)
    weight = next(iter(begun.attached[0].held.weights.values()))
    assert bool(begun.optimizer.state[weight]["exp_avg"].any())
    begun.attached[0].before_step(begun.moment(4))
    assert bool(begun.optimizer.state[weight]["exp_avg"].any()) == (reset == "false")
    assert bool(begun.optimizer.state[weight]["exp_avg_sq"].any())


def test_weights_that_are_not_trained_have_no_momentum_to_forget(training) -> None:
    frozen = "  - !TrainableParamsModifier {params: ['re:bert.encoder.layer.0'], trainable: false}\n"
    begun = training(entry() + frozen).run(last=4)
    begun.attached[0].before_step(begun.moment(4))
    assert all(begun.optimizer.state.values())


def test_after_the_end_masks_are_let_go_where_the_recipe_says_so(training) -> None:
    begun = training(entry(end_epoch=2, leave_enabled="false")).run()
    assert begun.masks() == {}
    assert begun.attached[0].promises() == ()


def test_a_phase_without_length_is_refused(specs) -> None:
    with pytest.raises(RecipeError) as caught:
        specs(entry(update_frequency=0, compression_sparsity=1.5))
    messages = [str(problem.message) for problem in caught.value.problems]
    assert messages == [
        "`update_frequency` must be more than 0, found 0",
        "`compression_sparsity` must be from 0 to 1, found 1.5",
    ]


def test_the_phases_for_people(specs) -> None:
    (spec,) = specs(entry(end_epoch=2, mask_type="block4"))
    turns, held = spec.phases(3)
    assert turns.value == "dense and 75 % sparse by turns of 0.5 epochs, all together, block4"
    assert (held.start, held.end, held.value) == (2, 3, "held at 75 %")


def test_masks_of_blocks_are_whole(training) -> None:
    begun = training(entry(mask_type="'2:4'", compression_sparsity=0.5)).run()
    for mask in begun.masks().values():
        assert torch.equal(mask.reshape(-1, 4).sum(1), torch.full((mask.numel() // 4,), 2.0))
