"""A stop at any step, with any checkpoints before it, changes no bit of what comes out."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sparsebuild.training import checkpoints
from sparsebuild.training.loop import train

STEPS = 40  # of 4 epochs without accumulation

MAGNITUDE = """
modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 4.0}
  - !MagnitudePruningModifier {start_epoch: 0.3, end_epoch: 4.0, init_sparsity: 0.1, final_sparsity: 0.6,
      update_frequency: 0.4, params: __ALL_PRUNABLE__, leave_enabled: true}
  - !QuantizationModifier {start_epoch: 2.7, quantize_linear_activations: 0}
"""
PRUNING = {  # one of each kind, at work early and late in 4 epochs
    "movement": """
  - !MovementPruningModifier {start_epoch: 0.3, end_epoch: 3.0, init_sparsity: 0.1, final_sparsity: 0.6,
      update_frequency: 0.4, params: ["re:bert.*dense.weight"], mask_type: block4}""",
    "obs": """
  - !OBSPruningModifier {start_epoch: 0.5, end_epoch: 3.0, init_sparsity: 0.2, final_sparsity: 0.7,
      update_frequency: 0.5, params: __ALL_PRUNABLE__, num_grads: 8, fisher_block_size: 5,
      grad_sampler_kwargs: {batch_size: 3}}""",
    "acdc": """
  - !ACDCPruningModifier {start_epoch: 0.2, end_epoch: 3.5, update_frequency: 0.75, compression_sparsity: 0.5,
      params: ["re:bert.*dense.weight"], mask_type: "2:4"}""",
    "cuts": """
  - !StructuredPruningModifier {start_epoch: 0.5, end_epoch: 2.5, cuts: 3, targets: {ffn: 12, heads: 1, layers: 1}}
  - !GlobalFisherPruningModifier {start_epoch: 0.2, end_epoch: 3.5, final_sparsity: 0.5, update_steps: 3}""",
    "layers": """
  - !LayerPruningModifier {start_epoch: 0.5, end_epoch: 2.5, layers: [bert.encoder.layer.0]}
  - !GlobalFisherPruningModifier {start_epoch: 0.2, end_epoch: 3.5, final_sparsity: 0.5, update_steps: 3}""",
}
STOPS = {  # steps amid its work, with quantization; and after a model that is narrower, or has its layers again
    **dict.fromkeys(("movement", "obs", "acdc"), (18,)),
    **dict.fromkeys(("cuts", "layers"), (18, 29)),
}
PLAIN = {
    "one": {},
    "accumulated": {"gradient_accumulation_steps": 3},
    "best": {"load_best_model_at_end": True, "metric_for_best_model": "loss"},
    "patient": {"early_stopping_patience": 1, "metric_for_best_model": "precision", "load_best_model_at_end": True},
    "warm": {"warmup_steps": 7, "lr_scheduler_type": "cosine", "learning_rate": 1e-3, "max_grad_norm": 0.0},
}


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    """What each kind of training gives when it is never stopped, made once."""
    known = {}

    def trained(kind, name):
        if (kind, name) not in known:
            folder = tmp_path_factory.mktemp("whole")
            done = tiny.training(folder, text=text_of(tiny, name), logging_steps=3, **PLAIN[kind])
            known[kind, name] = train(done), tiny.state(done)
            shutil.rmtree(folder)
        return known[kind, name]

    return trained


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(PLAIN)),
    name=st.sampled_from(["everything", "magnitude"]),
    stops=st.lists(st.integers(1, STEPS), min_size=1, max_size=3),
    every=st.sampled_from([1, 3, 1000]),
)
@example(kind="one", name="everything", stops=[1, 2, 15, 16, 30, 31], every=1)  # start, warm-up, QAT, observers frozen
@example(kind="accumulated", name="everything", stops=[2, 7, 9], every=1)
@example(kind="best", name="magnitude", stops=[40], every=1000)
def test_a_stop_at_any_step_changes_no_bit(tiny, whole, monkeypatch, kind, name, stops, every):
    """Through warm-up, pruning events, the start of quantization, frozen observers, within epochs and between them."""
    expected, weights = whole(kind, name)
    save_within_epochs(monkeypatch, every)
    with tempfile.TemporaryDirectory() as place:
        given = {"text": text_of(tiny, name), "logging_steps": 3, **PLAIN[kind]}
        for stop in sorted(stops):
            again = tiny.training(Path(place), stop_at=stop, **given)
            try:
                train(again)
            except tiny.Stopped:
                continue
        again = tiny.training(Path(place), **given)
        found = train(again)
    assert tiny.same(tiny.state(again), weights)
    assert tiny.same(found.masks, expected.masks)
    assert found.history == expected.history
    assert found.promises == expected.promises


@pytest.mark.parametrize("kind", PRUNING)
def test_pruning_of_every_kind_survives_stops_with_quantization_beside_it(tiny, tmp_path, monkeypatch, kind):
    text = f"modifiers:\n  - !QuantizationModifier {{start_epoch: 1.5, submodules: [bert.encoder]}}{PRUNING[kind]}\n"
    whole = tiny.training(tmp_path / "whole", text=text)
    expected = train(whole)
    save_within_epochs(monkeypatch, 1)
    for stop in STOPS[kind]:
        with pytest.raises(tiny.Stopped):
            train(tiny.training(tmp_path / "cut", stop_at=stop, text=text))
    again = tiny.training(tmp_path / "cut", text=text)
    found = train(again)
    assert tiny.same(tiny.state(again), tiny.state(whole))
    assert tiny.same(found.masks, expected.masks)
    assert (found.mask_types, found.promises) == (expected.mask_types, expected.promises)
    assert found.history == expected.history


def text_of(tiny, name):
    return tiny.EVERYTHING if name == "everything" else MAGNITUDE


def save_within_epochs(monkeypatch, every):
    """Save at every so many steps, rather than by the clock."""
    times = iter(range(10**9))
    monkeypatch.setattr("sparsebuild.training.loop._TALK_EVERY", -1)
    monkeypatch.setattr("sparsebuild.training.loop._SAVE_EVERY", 0 if every == 1 else every * 2.5)
    if every != 1000:
        monkeypatch.setattr("sparsebuild.training.loop._clock", lambda: float(next(times)))


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tiny, tmp_path, whole, monkeypatch):
    expected, _ = whole("best", "everything")
    save_within_epochs(monkeypatch, 1)
    for stop, harm in ((25, "checkpoint-*"), (35, "best-*")):
        with pytest.raises(tiny.Stopped):
            train(tiny.training(tmp_path, stop_at=stop, logging_steps=3, **PLAIN["best"]))
        newest = sorted(tmp_path.glob(harm))[-1] / "state.safetensors"
        newest.write_bytes(newest.read_bytes()[:-100])
    said = []
    again = tiny.training(tmp_path, log=said, logging_steps=3, **PLAIN["best"])
    assert train(again).history == expected.history
    assert any("is damaged, or the best model that it names is" in line for line in said)


def test_where_nothing_whole_is_left_new_checkpoints_take_the_place_of_the_damaged(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("sparsebuild.training.loop._TALK_EVERY", -1)
    with pytest.raises(tiny.Stopped):
        train(tiny.training(tmp_path, stop_at=35, **PLAIN["best"]))
    for path in (*tmp_path.glob("checkpoint-*"), *tmp_path.glob("best-*")):
        (path / "state.safetensors").write_bytes(b"damaged")
    with pytest.raises(tiny.Stopped):
        train(tiny.training(tmp_path, stop_at=15, **PLAIN["best"]))
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-00000010"]
    assert checkpoints.newest(tmp_path).step == 10


def test_what_began_before_a_stop_is_not_told_again(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("sparsebuild.training.loop._TALK_EVERY", -1)
    with pytest.raises(tiny.Stopped):
        train(tiny.training(tmp_path, stop_at=35))
    said = []
    train(tiny.training(tmp_path, log=said))
    assert not any("are quantized from epoch" in line for line in said)


def test_two_checkpoints_are_kept_and_the_best_as_long_as_one_names_it(tiny, tmp_path):
    train(tiny.training(tmp_path, save_total_limit=1, **PLAIN["best"]))
    assert [p.name for p in sorted(tmp_path.glob("checkpoint-*"))] == ["checkpoint-00000030", "checkpoint-00000040"]
    named = {checkpoints.newest(tmp_path).facts["best_step"]}
    assert named <= {int(p.name[-8:]) for p in tmp_path.glob("best-*")}
    assert len(list(tmp_path.glob("best-*"))) <= 2
    assert not list(tmp_path.glob(".*"))


def test_a_checkpoint_of_another_kind_of_cpu_is_continued_and_said(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("sparsebuild.training.loop._TALK_EVERY", -1)
    with pytest.raises(tiny.Stopped):
        train(tiny.training(tmp_path, stop_at=15, text=""))
    said = []
    again = tiny.training(tmp_path, text="", epochs=2, log=said)
    again.facts["cpu"] = "another one"
    train(again)
    assert said[0] == (
        "the checkpoint was made on another kind of CPU (this one): what comes out is right, but not to the bit what "
        "one of them alone would give"
    )
