"""Shapes that are chosen under a budget."""

from __future__ import annotations

import itertools

import pytest
import torch

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.base import Run
from sparsebuild.modifiers.budget import CostModel
from sparsebuild.numerics.kernel_times import KernelTimes
from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.training import budgets, shapes
from sparsebuild.training.structure import Structure, observed_structure

DENSE = [LayerShape(heads=2, neurons=32)] * 2  # of the model of these tests
TIMES = KernelTimes(attention={1: 1.0, 2: 1.5}, neurons={8: 0.5, 32: 2.0}, rest=0.1, dense=10.0)


def entry(**fields: object) -> str:
    return f"  - !StructuredPruningModifier {{{', '.join(f'{k}: {v}' for k, v in fields.items())}}}\n"


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings that know kernel times."""
    known = Run.__init__

    def begin(self, **values) -> None:
        known(self, **{"kernel_times": TIMES, **values})

    monkeypatch.setattr(Run, "__init__", begin)


def left(model) -> list[LayerShape]:
    return list(shapes.shapes(model).values())


def costs_of(kind: str, specs, model) -> CostModel:
    (spec,) = specs(entry(targets=f"{{{kind}: 0.5}}"))
    return CostModel.of(spec.targets.budget, model, DENSE, TIMES, "")


@pytest.mark.parametrize(("kind", "share"), [("flops", 0.7), ("parameters", 0.6), ("latency", 0.35)])
@pytest.mark.parametrize("uniform", ["true", "false"])
def test_a_budget_is_kept_and_nearly_used_up(kind, share, uniform, training, specs, model, timed) -> None:
    costs = costs_of(kind, specs, model)
    trained = training(entry(targets=f"{{{kind}: {share}}}", uniform=uniform, minimum="{ffn: 3}"))
    trained.run()
    found = costs.share(left(model))
    assert 0.65 * share < found <= share
    assert len(set(left(model))) == 1 or uniform == "false"
    assert all(shape.neurons >= 3 for shape in left(model))
    assert f"what stays takes {found:.3f} " in "\n".join(trained.log)


def test_of_all_shapes_that_can_be_afforded_the_most_important_ones_stay(training, specs, model, timed) -> None:
    """Against trying every pair of layers, by the norms that `score: magnitude` ranks by."""
    norms = []
    for name in shapes.layer_names(model):
        of_heads, of_neurons = (linear.weight.detach().square().sum(0) for linear in shapes.projections(model, name))
        norms.append((of_heads.view(2, -1).sum(1).sort().values, of_neurons.sort().values))

    def kept(chosen) -> float:
        pairs = zip(norms, chosen, strict=True)
        return float(sum(h[2 - s.heads :].sum() + n[32 - s.neurons :].sum() for (h, n), s in pairs))

    costs = costs_of("latency", specs, model)
    each = [LayerShape(heads=h, neurons=n) for h in (1, 2) for n in (4, 32)]
    affordable = [pair for pair in itertools.product(each, each) if costs.share(pair) <= 0.45]
    training(entry(targets="{latency: 0.45}", score="magnitude", minimum="{ffn: 4}")).run()
    assert tuple(left(model)) == max(affordable, key=kept)


def test_several_cuts_go_the_way_in_parts_and_layers_may_go_too(training, specs, model) -> None:
    begun, seen = training(entry(targets="{parameters: 0.2, layers: 1}", end_epoch=2.0, cuts=2)), []
    for step in range(9):
        begun.run(first=step, last=step + 1, end=False)
        seen.append(begun.figures()["encoder_parameters"])
    whole = sum(p.numel() for p in model.bert.encoder.parameters())
    assert 0.2 * seen[0] < seen[-1] <= 0.2 * 4448 + 1
    assert seen[0] == seen[7] > seen[8]
    assert whole > seen[-1]


def test_a_budget_that_nothing_has_to_go_for_cuts_nothing(training, model, timed) -> None:
    training(entry(targets="{latency: 0.9}")).run()
    assert left(model) == DENSE


@pytest.fixture
def uneven(model):
    """A model that arrives with a narrow layer."""
    name = shapes.layer_names(model)[1]
    shapes.cut(model, shapes.kept(model, name, heads=torch.arange(1), neurons=torch.arange(13)))
    return [LayerShape(heads=2, neurons=32), LayerShape(heads=1, neurons=13)]


@pytest.mark.parametrize("uniform", ["true", "false"])
@pytest.mark.parametrize("kind", ["flops", "parameters"])
def test_a_layer_may_stay_as_narrow_as_it_is(kind, uniform, training, model, uneven) -> None:
    training(entry(targets=f"{{{kind}: 0.9}}", uniform=uniform, minimum="{ffn: 16, heads: 2}")).run()
    assert left(model) == uneven


def test_under_a_uniform_budget_wider_layers_are_cut_down_to_narrow_ones(training, model, uneven) -> None:
    training(entry(targets="{parameters: 0.5}", uniform="true", minimum="{ffn: 13}")).run()
    assert left(model) == [LayerShape(heads=1, neurons=13)] * 2


def test_a_minimum_counts_for_what_each_layer_has_when_a_budget_is_checked(training, uneven) -> None:
    with pytest.raises(RecipeError, match=r"the smallest shapes of 2 layers take 0\.739"):
        training(entry(targets="{parameters: 0.6}", minimum="{ffn: 32, heads: 2}"))


def test_a_share_is_of_the_network_that_the_model_was_cut_out_of(training, model, uneven, monkeypatch) -> None:
    wide = [LayerShape(heads=2, neurons=64)] * 2
    known = Run.__init__
    monkeypatch.setattr(Run, "__init__", lambda self, **values: known(self, **values, dense=wide))
    training(entry(targets="{parameters: 0.55}")).run()
    assert left(model) == uneven  # half of it


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ("{latency: 25}", "`targets.latency` must be a share between 0 and 1, found 25"),
        ("{flops: 0}", "`targets.flops` must be a share between 0 and 1, found 0"),
        ("{parameters: 1.0}", "`targets.parameters` must be a share between 0 and 1, found 1.0"),
        ("{latency: true}", "`targets.latency` must be a share between 0 and 1, found True"),
        ("{latency: 0.25, flops: 0.3}", "`targets` can hold one budget, found latency and flops"),
        ("{latency: 0.25, heads: 8}", "`targets.latency` chooses heads and neurons itself: leave out heads"),
        ("{latencey: 0.25}", "did you mean `latency`"),
    ],
)
def test_a_budget_that_makes_no_sense_is_told(targets: str, said: str, specs) -> None:
    with pytest.raises(RecipeError) as caught:
        specs(entry(targets=targets))
    (problem,) = caught.value.problems
    assert said in f"{problem.message} {problem.hint}"
    assert problem.position is not None


def test_time_needs_a_table_and_a_budget_room_for_the_smallest(training, timed) -> None:
    with pytest.raises(RecipeError) as caught:
        training(entry(targets="{latency: 0.15}", minimum="{ffn: 8}", start_epoch=2.0))
    assert str(caught.value) == (
        "error: StructuredPruningModifier: `targets.latency` asks for 0.15 of the time that the dense encoder takes in "
        "fp32, and the smallest shapes of 2 layers take 0.310\n\n"
        "hint: allow more, fewer `layers`, or a lower `minimum`"
    )
    training(entry(targets="{latency: 0.17, layers: 1}", minimum="{ffn: 8}"))


def test_without_a_table_time_is_refused_by_name(training) -> None:
    with pytest.raises(RecipeError, match=r"`targets\.latency` needs the kernel times of a machine, and none were"):
        training(entry(targets="{latency: 0.25}"))


def test_what_was_kept_stands_in_the_structure(training, specs, model, timed, tmp_path) -> None:
    about = {"cpu": "a CPU", "runtime": "onnxruntime", "threads": 1, "shape": "1x128", "scheme": "portable"}
    asked = specs(entry(targets="{latency: 0.4}"))
    keeping = budgets.Keeping.of(model, asked, budgets.Profile(times=TIMES, about=about), DENSE)
    training(entry(targets="{latency: 0.4}")).run()
    structure = observed_structure(model, {})
    structure.write(tmp_path)
    assert Structure.read(tmp_path).budget is None
    torch.manual_seed(0)
    kept = keeping.kept(model)
    assert (kept.kind, kept.asked, kept.cpu, kept.shape) == ("latency", 0.4, "a CPU", "1x128")
    assert kept.estimate == pytest.approx(TIMES.share(left(model)))
