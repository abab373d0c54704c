"""Gradual pruning by importance."""

from __future__ import annotations

import pytest
import torch

from sparsebuild.errors import RecipeError, TargetFailed
from sparsebuild.numerics.sparsity_schedule import promised_zeros


def entry(**fields: object) -> str:
    given = {"start_epoch": 0.25, "end_epoch": 2.0, "final_sparsity": 0.8, "update_steps": 2, **fields}
    return f"  - !GlobalFisherPruningModifier {{{', '.join(f'{k}: {v}' for k, v in given.items())}}}\n"


def zeros(training) -> int:
    return sum(int((m == 0).sum()) for m in training.masks().values())


def size(training) -> int:
    modules = training.model.bert.encoder.modules()
    return sum(m.weight.numel() for m in modules if isinstance(m, torch.nn.Linear))


def test_every_linear_of_the_encoder_and_nothing_else(training) -> None:
    begun = training(entry())
    assert set(begun.attached[0].held.weights) == {
        f"bert.encoder.{name}.weight"
        for name, module in begun.model.bert.encoder.named_modules()
        if isinstance(module, torch.nn.Linear)
    }


def test_the_budget_is_exact_at_every_event(training) -> None:
    """Events after steps 2, 4, 6 and 8 of 4 an epoch: at epochs 0.5, 1, 1.5 and 2."""
    begun, seen = training(entry()), []
    for step in range(12):
        begun.run(first=step, last=step + 1)
        seen.append(zeros(begun))
    ramp = [0.8 * (1 - (1 - (e - 0.25) / 1.75) ** 3) for e in (0.5, 1.0, 1.5)]
    budgets = [promised_zeros(s, size(begun)) for s in (*ramp, 0.8)]
    assert seen == [0, 0, *[b for b in budgets[:3] for _ in (0, 1)], *[budgets[3]] * 4]
    assert begun.figures()["sparsity"] == budgets[3] / size(begun)


def test_the_final_sparsity_is_reached_at_the_last_step(training) -> None:
    begun = training(entry(end_epoch=3, update_steps=5)).run()
    assert zeros(begun) == promised_zeros(0.8, size(begun)) >= size(begun) * 0.8


def test_no_tensor_loses_more_than_the_cap(training) -> None:
    begun = training(entry(final_sparsity=0.5, cap=0.55)).run()
    shares = [float((m == 0).float().mean()) for m in begun.masks().values()]
    assert max(shares) <= 0.55
    assert zeros(begun) == int(size(begun) * 0.5)


def test_the_least_important_weights_go(training) -> None:
    """Score w² · exp_avg_sq, of the weights and Adam's state right after the step."""
    begun = training(entry(start_epoch=0, end_epoch=0.25, final_sparsity=0.3, cap=0.99)).run(last=1)
    names = begun.attached[0].held.weights
    begun.attached.clear()
    begun.run(first=1, last=2)
    fresh = training(entry(start_epoch=0, end_epoch=0.25, final_sparsity=0.3, cap=0.99), fresh=True).run(last=2)
    for name, mask in fresh.masks().items():
        weight = names[name]
        score, kept = weight.detach().square() * begun.optimizer.state[weight]["exp_avg_sq"], mask.bool()
        assert float(score[kept].min()) >= float(score[~kept].max())


def test_what_has_gone_never_returns(training) -> None:
    begun, before = training(entry()), {}
    for step in range(12):
        begun.run(first=step, last=step + 1)
        masks = {n: m.clone() for n, m in begun.masks().items()}
        assert all(bool((masks[n] <= before[n]).all()) for n in before)
        before = masks


def test_a_cap_that_leaves_no_room_is_refused(training) -> None:
    with pytest.raises(RecipeError) as caught:
        training(entry(final_sparsity=0.9499))
    assert str(caught.value) == (
        "error: GlobalFisherPruningModifier: a sparsity of 0.9499 does not fit under a cap of 0.95 a tensor\n\n"
        "hint: raise `cap`, or lower `final_sparsity`"
    )


def test_an_optimizer_without_the_moments_is_refused(training) -> None:
    begun = training(entry())
    begun.attached[0].optimizer = torch.optim.SGD(begun.model.parameters(), lr=0.1)
    with pytest.raises(TargetFailed, match=r"needs Adam's mean of squared gradients, which `bert.encoder.layer.0"):
        begun.attached[0].after_optimizer(begun.moment(2))


def test_the_phases_for_people(specs) -> None:
    (spec,) = specs(entry())
    ramp, held = spec.phases(6)
    assert ramp.value == "0 % → 80 % sparse, cubic, every 2 steps, at most 95 % of a tensor"
    assert (held.start, held.end, held.value) == (2, 6, "held at 80 %")
