"""Gradual pruning by magnitude."""

from __future__ import annotations

import pytest
import torch

from sparsebuild.errors import RecipeError


def entry(tag: str = "GMPruningModifier", **fields: object) -> str:
    given = {
        "start_epoch": 0.0,
        "end_epoch": 2.0,
        "init_sparsity": 0.05,
        "final_sparsity": 0.8,
        "update_frequency": 0.5,
        "params": "['re:.*dense.weight']",
        **fields,
    }
    return f"  - !{tag} {{{', '.join(f'{k}: {v}' for k, v in given.items())}}}\n"


def sparsities(training) -> list[float]:
    """The sparsity shown after each step."""
    seen = []
    for step in range(training.per_epoch * training.epochs):
        training.run(first=step, last=step + 1)
        seen.append(training.figures()["sparsity"])
    return seen


def zeros(training) -> dict[str, float]:
    return {n: float((m == 0).float().mean()) for n, m in training.masks().items()}


def test_the_cubic_of_the_recipe(specs) -> None:
    (spec,) = specs(entry())
    assert [spec.sparsity(e) for e in (-1, 0, 1, 2, 3)] == pytest.approx([0.05, 0.05, 0.70625, 0.8, 0.8])


def test_masks_change_at_events_only(training) -> None:
    """Events at epochs 0, 0.5, 1, 1.5 and 2."""
    wanted = [0.05 + 0.75 * (1 - (1 - x / 4) ** 3) for x in range(5)]
    seen = sparsities(training(entry()))
    assert seen == pytest.approx([wanted[min(k // 2, 4)] for k in range(12)], abs=2e-3)
    assert len(set(seen)) == 5


@pytest.mark.parametrize("end", [2.0, 3.0])
def test_the_final_sparsity_is_reached_even_at_the_last_epoch(end: float, training) -> None:
    begun = training(entry(end_epoch=end)).run()
    for mask in begun.masks().values():
        assert int((mask == 0).sum()) == round(0.8 * mask.numel())


def test_one_ranking_or_one_for_each(training) -> None:
    each = zeros(training(entry("MagnitudePruningModifier"), fresh=True).run())
    together = training(entry("GlobalMagnitudePruningModifier"), fresh=True).run()
    assert list(each.values()) == pytest.approx([0.8] * len(each), abs=2e-3)
    assert len(set(zeros(together).values())) > 1
    sizes = {n: m.numel() for n, m in together.masks().items()}
    assert sum(int((m == 0).sum()) for m in together.masks().values()) == round(0.8 * sum(sizes.values()))
    as_gm = training(entry(global_sparsity="true"), fresh=True).run()
    assert zeros(as_gm) == zeros(together)


def test_the_smallest_weights_go_at_the_start(training) -> None:
    begun = training(entry(init_sparsity=0.5, final_sparsity=0.5))
    name = "bert.encoder.layer.1.output.dense.weight"
    weight = dict(begun.model.named_parameters())[name].detach().abs().clone()
    begun.run(last=1)
    kept = begun.masks()[name].bool()
    assert float(weight[kept].min()) > float(weight[~kept].max())


def test_a_level_for_each_kind_of_parameter(training) -> None:
    levels = "{0.5: ['re:.*query.weight'], 0.75: [classifier.weight, 're:.*key.weight']}"
    begun = training(entry("MagnitudePruningModifier", final_sparsity=levels, params="[]")).run()
    for name, share in zeros(begun).items():
        assert share == pytest.approx(0.5 if "query" in name else 0.75, abs=0.01)


def test_the_parameters_of_a_level_are_read_as_others_are(specs) -> None:
    (spec,) = specs(entry("MagnitudePruningModifier", final_sparsity="{0.5: [__all_prunable__]}", params="[]"))
    assert spec.levels[0].params == ("__ALL_PRUNABLE__",)
    with pytest.raises(RecipeError, match=r"`re:\(bert` is not a regular expression: missing \), unterminated"):
        specs(entry("MagnitudePruningModifier", final_sparsity="{0.5: ['re:(bert']}", params="[]"))


def test_a_parameter_with_two_levels_is_refused(training) -> None:
    levels = "{0.5: ['re:.*query.weight'], 0.75: ['re:.*layer.0.*weight']}"
    with pytest.raises(RecipeError) as caught:
        training(entry("MagnitudePruningModifier", final_sparsity=levels, params="[]"))
    name = "bert.encoder.layer.0.attention.self.query.weight"
    assert str(caught.value) == f"error: MagnitudePruningModifier: `final_sparsity` gives `{name}` two levels"


def test_from_the_zeros_that_are_there(training) -> None:
    begun = training(
        entry("MagnitudePruningModifier", init_sparsity="__FROM_PARAM__", params="['re:.*(query|key).weight']")
    ).run(last=1)
    assert zeros(begun) == {
        "bert.encoder.layer.0.attention.self.query.weight": 0.25,
        "bert.encoder.layer.1.attention.self.query.weight": 0.25,
    }


def test_masks_are_let_go_when_the_recipe_says_so(training) -> None:
    begun = training(entry(leave_enabled="false")).run(last=9)
    assert zeros(begun) != {}
    begun.run(first=9)
    assert zeros(begun) == {}
    name = "bert.encoder.layer.1.output.dense.weight"
    assert float((dict(begun.model.named_parameters())[name] == 0).float().mean()) < 0.5


def test_whole_numbers_are_sparsities_too(specs) -> None:
    """SparseML crashes on `final_sparsity: 1`."""
    (spec,) = specs(entry(init_sparsity=0, final_sparsity=1))
    assert (spec.init_sparsity, spec.levels[0].sparsity) == (0.0, 1.0)


def test_the_phases_for_people(specs) -> None:
    (spec,) = specs(entry(inter_func="inverse_cubic", update_frequency=-1))
    ramp, held = spec.phases(5)
    assert ramp.value == "5 % → 80 % sparse, inverse cubic, every step, each parameter"
    assert (held.start, held.end, held.value) == (2, 5, "held at 80 %")


def test_all_that_goes_has_gone_in_the_weights(training) -> None:
    begun = training(entry()).run()
    parameters = dict(begun.model.named_parameters())
    for name, mask in begun.masks().items():
        assert torch.equal(parameters[name] * mask, parameters[name])
        assert mask.dtype == parameters[name].dtype
