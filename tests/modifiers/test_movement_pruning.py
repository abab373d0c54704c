"""Gradual pruning by movement."""

from __future__ import annotations

import itertools

import pytest
import torch

from sparsebuild.numerics.movement import add_movement

NAME = "bert.encoder.layer.1.output.dense.weight"


def entry(**fields: object) -> str:
    given = {"start_epoch": 1.0, "end_epoch": 2.0, "init_sparsity": 0.25, "final_sparsity": 0.75}
    given |= {"update_frequency": 0.5, "params": f"[{NAME}]", **fields}
    return f"  - !MovementPruningModifier {{{', '.join(f'{k}: {v}' for k, v in given.items())}}}\n"


def watched(training, text: str, last: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """-0.01 · gradient · weight before each update, and the mask after it."""
    begun = training(text)
    weight, moved, masks = dict(begun.model.named_parameters())[NAME], [], []
    act = begun.attached[0].before_optimizer

    def watch(moment) -> None:
        moved.append(-0.01 * weight.grad.clone() * weight.detach().clone())
        act(moment)

    begun.attached[0].before_optimizer = watch
    for step in range(last):
        begun.run(first=step, last=step + 1)
        masks.append(begun.masks().get(NAME, torch.ones_like(weight)).clone())
    return moved, masks


def test_what_moved_least_away_from_zero_goes_the_gradient_of_the_event_included(training) -> None:
    """The first event is at step 4; scores are gathered from step 0 on."""
    moved, masks = watched(training, entry(), 5)
    score, kept = torch.stack(moved).sum(0), masks[4].bool()
    assert masks[3].bool().all()
    assert int((~kept).sum()) == round(0.25 * kept.numel())
    assert float(score[~kept].max()) < float(score[kept].min())


def test_it_becomes_as_sparse_as_the_recipe_says_and_what_has_gone_stays_gone(training) -> None:
    _, masks = watched(training, entry(), 12)
    assert int((masks[-1] == 0).sum()) == round(0.75 * masks[-1].numel())
    assert all(bool((after <= before).all()) for before, after in itertools.pairwise(masks))


def test_a_gradient_that_is_no_number_adds_nothing() -> None:
    scores = torch.ones(3)
    add_movement(scores, torch.tensor([2.0, 2.0, 2.0]), torch.tensor([torch.inf, torch.nan, 3.0]))
    assert scores.tolist() == pytest.approx([1.0, 1.0, 0.94])
