"""The learning rate as one of torch's schedules, and set once."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch.optim import lr_scheduler

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.base import Moment

PER_EPOCH = 4


def entry(kind: str, kwargs: str, **fields: object) -> str:
    given = {"start_epoch": 0.0, "init_lr": 0.1, **fields}
    told = ", ".join(f"{k}: {v}" for k, v in given.items())
    return f"  - !LearningRateModifier {{{told}, lr_class: {kind}, lr_kwargs: {{{kwargs}}}}}\n"


def once(rate: float, start: float) -> str:
    return f"  - !SetLearningRateModifier {{start_epoch: {start}, learning_rate: {rate}}}\n"


def curve(start: float, end: float, first: float, last: float) -> str:
    fields = f"start_epoch: {start}, end_epoch: {end}, lr_func: linear, init_lr: {first}, final_lr: {last}"
    return f"  - !LearningRateFunctionModifier {{{fields}}}\n"


def rates(spec, steps: int) -> list[float | None]:
    wrote = [spec.wrote(Moment(step=k, steps_per_epoch=PER_EPOCH, epochs=9)) for k in range(steps)]
    return [one and one.rate for one in wrote]


def of_torch(make, steps: int, per_step: float = 1.0) -> list[float]:
    """What torch's scheduler gives from rate 0.1 on, stepped once a step, or with the epoch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler, found = make(optimizer), []
    for k in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wants an optimizer's step in between, and epochs to be left out
            scheduler.step() if per_step == 1 else scheduler.step((k + 1) * per_step)
    return found


@pytest.mark.parametrize(
    ("kind", "kwargs", "make", "per_step"),
    [
        ("StepLR", "gamma: 0.5, step_size: 1.5", lambda o: lr_scheduler.StepLR(o, 6, 0.5), 1),
        ("ExponentialLR", "gamma: 0.9", lambda o: lr_scheduler.StepLR(o, PER_EPOCH, 0.9), 1),
        ("MultiStepLR", "gamma: 0.3, milestones: [1.0, 2.5]", lambda o: lr_scheduler.MultiStepLR(o, [4, 10], 0.3), 1),
        (
            "CosineAnnealingWarmRestarts",
            "lr_min: 0.01, cycle_epochs: 2",
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2, eta_min=0.01),
            1 / PER_EPOCH,
        ),
    ],
)
def test_each_class_is_torchs(kind, kwargs, make, per_step, specs) -> None:
    (spec,) = specs(entry(kind, kwargs))
    assert rates(spec, 20) == pytest.approx(of_torch(make, 20, per_step), rel=1e-12)


def test_before_the_start_there_is_none_and_after_the_end_it_stays(specs) -> None:
    (spec,) = specs(entry("ExponentialLR", "gamma: 0.5", start_epoch=1.0, end_epoch=2.0))
    assert rates(spec, 20) == pytest.approx([*[None] * 4, *[0.1] * 4, *[0.05] * 12])


def test_a_rate_that_is_set_holds(training) -> None:
    assert training(once(0.2, 0.5) + once(0.3, 2.0)).run().rates == pytest.approx([*[1e-3] * 2, *[0.2] * 6, *[0.3] * 4])


def test_of_several_the_one_that_wrote_last_decides(training) -> None:
    """A rate is written once; a curve that begins later, or goes on, takes over."""
    assert training(once(0.2, 0.0) + curve(1, 2, 0.4, 0.0)).run().rates == pytest.approx(
        [*[0.2] * 4, 0.4, 0.3, 0.2, 0.1, *[0.0] * 4]
    )
    assert training(once(0.2, 1.0) + curve(0, 3, 0.12, 0.0), fresh=True).run().rates == pytest.approx(
        [0.12, 0.11, 0.10, 0.09, 0.2, 0.07, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (entry("StepLR", "gamma: 0.1"), "StepLR needs `step_size` in `lr_kwargs`"),
        (entry("StepLR", "gama: 0.1, gamma: 0.1, step_size: 1"), "StepLR has no argument `gama`"),
        (
            entry("MultiStepLR", "gamma: 0.1, milestones: [0]"),
            "a milestone must lie after the start and before the end: 0",
        ),
        (entry("ExponentialLR", "gamma: 0"), "`gamma` must be a number, more than 0"),
        (once(0, 1), "`learning_rate` must be more than 0, found 0"),
    ],
)
def test_what_is_wrong_is_told(text, message, specs) -> None:
    with pytest.raises(RecipeError, match="error") as caught:
        specs(text)
    assert str(caught.value).startswith(f"error: {message}\n  --> r.yaml:2:")


def test_phases_for_people(specs) -> None:
    told = [s.phases(3)[0].value for s in specs(entry("StepLR", "gamma: 0.5, step_size: 1.5") + once(2e-4, 1))]
    assert told == ["StepLR from 0.1, times 0.5 every 1.5 epochs", "2e-4"]
