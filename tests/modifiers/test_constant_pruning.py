"""Zeros stay zeros."""

from __future__ import annotations

import pytest
import torch

from sparsebuild.errors import RecipeError, TargetFailed

KEEP = "  - !ConstantPruningModifier {start_epoch: 0.0, params: __ALL_PRUNABLE__}\n"
QUERY = "bert.encoder.layer.0.attention.self.query.weight"


def weight(training, name: str) -> torch.Tensor:
    return dict(training.model.named_parameters())[name].detach()


def test_zeros_stay_exactly_where_they_are(training) -> None:
    begun = training(KEEP)
    zeros = weight(begun, QUERY) == 0
    begun.run()
    assert torch.equal(weight(begun, QUERY) == 0, zeros)
    assert int(zeros.sum()) == zeros.numel() // 4


def test_the_user_is_told_what_is_kept(training) -> None:
    begun = training(KEEP).run()
    weights = [m.weight for m in begun.model.modules() if isinstance(m, torch.nn.Linear)]
    zeros, size = sum(int((w == 0).sum()) for w in weights), sum(w.numel() for w in weights)
    told = f"{zeros} zeros are kept, {100 * zeros / size:.4g} % of 13 tensors"
    assert begun.log == [f"ConstantPruningModifier: {told}"]
    assert begun.figures() == {"sparsity": zeros / size}


def test_only_tensors_with_zeros_are_held(training) -> None:
    assert sorted(training(KEEP).run().masks()) == sorted(
        f"bert.encoder.layer.{i}.{part}.weight"
        for i in (0, 1)
        for part in ("attention.self.query", "intermediate.dense")
    )


def test_a_dense_model_is_refused_at_the_start(training) -> None:
    begun = training(KEEP)
    with torch.no_grad():
        for parameter in begun.model.parameters():
            parameter.add_(0.001)
    with pytest.raises(TargetFailed) as caught:
        begun.run(last=1)
    assert str(caught.value) == (
        "error: ConstantPruningModifier: the model has no zeros to keep at epoch 0\n\n"
        "hint: start from a sparse model, prune with GlobalFisherPruningModifier, or take the modifier out"
    )


def test_a_model_with_a_few_zeros_is_doubted(training) -> None:
    begun = training(KEEP)
    with torch.no_grad():
        for parameter in begun.model.parameters():
            parameter.add_(0.001)
        weight(begun, QUERY)[0, 0] = 0.0
    begun.run(last=1)
    assert begun.log[0].endswith("of 13 tensors; is it the sparse one?")


def test_a_weight_that_becomes_zero_later_is_not_held(training) -> None:
    begun = training(KEEP).run(last=2)
    with torch.no_grad():
        weight(begun, QUERY)[0, 1] = 0.0
    begun.run(first=2, last=6)
    assert weight(begun, QUERY)[0, 1] != 0


def test_after_its_end_zeros_are_free(training) -> None:
    begun = training(
        "  - !ConstantPruningModifier {start_epoch: 0.0, end_epoch: 1.0, params: __ALL_PRUNABLE__}\n"
    ).run()
    assert begun.masks() == {}
    assert int((weight(begun, QUERY) == 0).sum()) == 0


def test_a_zero_that_was_lost_fails_training(training) -> None:
    begun = training(KEEP).run(last=12, end=False)
    with torch.no_grad():
        weight(begun, QUERY)[:, 0] = 1.0
    with pytest.raises(TargetFailed) as caught:
        begun.attached[0].on_end()
    assert (
        str(caught.value)
        == f"error: ConstantPruningModifier: 16 weights of `{QUERY}` that were held at zero are not zero"
    )


def test_a_name_that_the_model_does_not_have_is_refused(training) -> None:
    with pytest.raises(RecipeError) as caught:
        training("  - !ConstantPruningModifier {start_epoch: 0.0, params: [clasifier.weight]}\n")
    assert str(caught.value) == (
        "error: ConstantPruningModifier: `clasifier.weight` is no parameter of the model\n\n"
        "hint: did you mean `classifier.weight`?"
    )


def test_embeddings_are_not_prunable_and_all_means_all(training) -> None:
    begun = training("  - !ConstantPruningModifier {start_epoch: 0.0, params: __all__}\n").run(last=1)
    assert "bert.embeddings.word_embeddings.weight" in begun.masks()  # its padding row is zero
    assert "classifier.bias" in begun.masks()
    assert "bert.embeddings.word_embeddings.weight" not in training(KEEP).run(last=1).masks()


def test_constant_and_gradual_masks_hold_together(training) -> None:
    gradual = (
        "  - !GMPruningModifier {start_epoch: 0.0, end_epoch: 2.0, init_sparsity: 0.1, final_sparsity: 0.5,"
        " update_frequency: 0.5, params: ['re:.*query.weight']}\n"
    )
    begun = training(KEEP + gradual)
    zeros = weight(begun, QUERY) == 0
    begun.run()
    found = weight(begun, QUERY) == 0
    assert bool((found | ~zeros).all())
    assert int(found.sum()) == found.numel() // 2
