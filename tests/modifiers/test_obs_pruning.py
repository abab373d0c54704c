"""Gradual pruning by second order."""

from __future__ import annotations

import pytest
import torch

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.mask_type import MaskType
from tests.modifiers.conftest import batch_at, task_loss

NAMES = [f"bert.encoder.layer.{i}.output.dense.weight" for i in (0, 1)]


def entry(**fields: object) -> str:
    given = {"start_epoch": 0, "end_epoch": 2, "init_sparsity": 0.3, "final_sparsity": 0.75, "update_frequency": 1}
    given |= {"params": "['re:.*layer.*.output.dense.weight']", "num_grads": 6, "fisher_block_size": 8, **fields}
    return f"  - !OBSPruningModifier {{{', '.join(f'{k}: {v}' for k, v in given.items())}}}\n"


def expected(model, sparsity: float, block: int, damp: float, count: int) -> dict[str, torch.Tensor]:
    """The weights after a first event at step 0: dense float64, one threshold, as SparseML reckons."""
    weights = {name: model.get_parameter(name) for name in NAMES[:2] if "attention" not in name}
    model.eval()
    inverses, scores = {}, {}
    for name, weight in weights.items():
        size = weight.numel()
        matrix = damp * torch.eye(size, dtype=torch.float64)
        for i in range(count):
            batch = batch_at(1000 + i)
            loss = task_loss(model(**batch.model_inputs).logits, batch.labels)
            g = torch.autograd.grad(loss, weight)[0].flatten().double()
            matrix += torch.outer(g, g) / count
        kept = torch.block_diag(*[torch.ones(block, block)] * (size // block)).double()
        inverses[name] = (matrix * kept).inverse()
        scores[name] = weight.detach().flatten().double() ** 2 / (2 * inverses[name].diagonal())
    model.train()
    together = torch.cat(list(scores.values()))
    threshold = together.sort().values[round(sparsity * together.numel()) - 1]
    found = {}
    for name, weight in weights.items():
        flat, gone = weight.detach().flatten().double(), scores[name] <= threshold
        new = flat - inverses[name] @ (flat * gone / inverses[name].diagonal())
        found[name] = new.masked_fill(gone, 0.0).view_as(weight).float()
    return found


def test_an_event_does_what_the_dense_matrix_says(training) -> None:
    text = entry(params=str(NAMES), damp=1e-4)
    begun = training(text)
    wanted = expected(begun.model, 0.3, 8, 1e-4, 6)
    begun.attached[0].before_step(begun.moment(0))
    for name, weight in wanted.items():
        found = begun.model.get_parameter(name).detach()
        assert torch.equal(found == 0, weight == 0)
        assert float((found - weight).abs().max()) < 1e-4
        assert int((weight == 0).sum()) > 0


@pytest.mark.parametrize("mask_type", ["unstructured", "block4"])
@pytest.mark.parametrize("together", ["true", "false"])
def test_it_becomes_as_sparse_as_the_recipe_says(mask_type: str, together: str, training) -> None:
    begun = training(entry(mask_type=mask_type, global_sparsity=together, num_recomputations=2)).run()
    masks = begun.masks()
    assert sum(int((m == 0).sum()) for m in masks.values()) == 0.75 * sum(m.numel() for m in masks.values())
    for name, mask in masks.items():
        weight = begun.model.get_parameter(name).detach()
        assert MaskType.of(mask_type).is_kept_by(weight, int((mask == 0).sum()))


def test_an_event_leaves_the_model_training_and_no_gradient_behind(training) -> None:
    begun = training(entry())
    begun.model.train()
    begun.attached[0].before_step(begun.moment(0))
    assert begun.model.training
    assert all(p.grad is None for p in begun.model.parameters())
    assert begun.log == ["OBSPruningModifier: 6 gradients are taken at epoch 0"]


def test_an_event_tells_how_far_it_is(training) -> None:
    begun = training(entry(num_recomputations=2))
    begun.attached[0].before_step(begun.moment(0))
    assert begun.progress == [(k, 12, "gradients") for k in range(1, 13)]


def test_recomputations_share_the_way_between_two_events(training) -> None:
    begun = training(entry(num_recomputations=3))
    steps, remove = [], begun.attached[0]._remove
    begun.attached[0]._remove = lambda inverses, wanted: (
        steps.append(next(iter(wanted.values()))),
        remove(inverses, wanted),
    )
    begun.run(last=5)
    second = 0.3 + 0.45 * (1 - 0.5**3)
    wanted = [0.1, 0.2, 0.3, *(0.3 + (second - 0.3) * k / 3 for k in (1, 2, 3))]
    assert steps == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"mask_type": "'2:4'"}, "`mask_type` must be unstructured or block4, found 2:4"),
        (
            {"mask_type": "block4", "fisher_block_size": 50},
            "`fisher_block_size` must be a multiple of 4 with `mask_type: block4`, found 50",
        ),
        ({"damp": 0}, "`damp` must be more than 0, found 0"),
        ({"grad_sampler_kwargs": "{batch_size: 0}"}, "`batch_size` must be a whole number from 1, found 0"),
        ({"grad_sampler_kwargs": "{size: 3}"}, "`grad_sampler_kwargs` has no setting `size`"),
    ],
)
def test_what_cannot_be_is_refused(fields, told, specs) -> None:
    with pytest.raises(RecipeError) as caught:
        specs(entry(**fields))
    assert str(caught.value).startswith(f"error: {told}\n")


def test_the_recipes_of_the_paper_are_read(specs) -> None:
    (spec,) = specs(entry(num_grads=1024, damp="1e-7", fisher_block_size=50, grad_sampler_kwargs="{batch_size: 16}"))
    assert (spec.num_grads, spec.damp, spec.fisher_block_size, spec.batch_size) == (1024, 1e-7, 50, 16)
    assert spec.is_global
