"""training/accelerators.py: precision, trackers, the compiler."""

import importlib.util

import pytest
import torch

from sparsebuild.errors import UserError
from sparsebuild.training.accelerators import Forward, accelerator_for
from sparsebuild.training.loop import train
from sparsebuild.training.quantization import quantize
from sparsebuild.training.settings import Settings


@pytest.mark.skipif(torch.cuda.is_available(), reason="there it is right")
def test_float16_without_a_gpu_is_refused(tmp_path):
    with pytest.raises(UserError) as caught:
        accelerator_for(Settings(fp16=True), tmp_path)
    assert str(caught.value) == (
        "error: `train.fp16` needs a GPU, and there is none\n\nhint: `train.bf16` halves the work on many CPUs too"
    )


def test_a_tracker_that_is_not_known_or_not_installed_is_told(tmp_path):
    with pytest.raises(UserError, match=r"`train\.report_to` names `tensorbored`, which accelerate does not know"):
        accelerator_for(Settings(report_to=("tensorbored",)), tmp_path)
    if importlib.util.find_spec("aim") is None:
        with pytest.raises(UserError, match=r"`train\.report_to` names `aim`, whose package is not installed"):
            accelerator_for(Settings(report_to=("aim",)), tmp_path)


def test_a_tracker_is_told_each_line_of_the_curve(tiny, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tiny.training(tmp_path / "kept", text="", epochs=2, logging_steps=4, report_to=("tensorboard",))
    lines = train(run).history
    [folder] = {path.parent for path in run.trackers.rglob("events.out.*") if path.parent != run.trackers}
    told = EventAccumulator(str(folder)).Reload()
    losses = [(event.step, event.value) for event in told.Scalars("loss")]
    assert losses == [(line["step"], pytest.approx(line["loss"], rel=1e-6)) for line in lines]


def test_no_tracker_is_told_unless_it_is_asked_for(tiny, tmp_path):
    run = tiny.training(tmp_path, text="", epochs=1)
    train(run)
    assert not run.trackers.exists()


def test_a_compiled_model_computes_the_same_before_and_after_quantization(tiny, tmp_path, monkeypatch):
    """What is compiled is compiled again when classes are swapped; the real compiler is asked by a slow test."""
    compiled = []
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda m, **k: compiled.append(m) or real(m, backend="eager", **k))
    model = tiny.training(tmp_path).model.eval()
    forward = Forward(model, is_compiled=True)
    ids = torch.arange(40).reshape(4, 10)
    with torch.no_grad():
        for _ in range(2):
            assert torch.equal(forward(input_ids=ids).logits, model(input_ids=ids).logits)
        quantize(model)
        assert torch.equal(forward(input_ids=ids).logits, model(input_ids=ids).logits)
    assert len(compiled) == 2


@pytest.mark.slow
def test_a_compiled_training_has_the_curve_of_one_that_is_not(tiny, tmp_path):
    recipe = "modifiers:\n  - !QuantizationModifier {start_epoch: 0.0, quantize_linear_activations: 0}"
    given = {"text": recipe, "epochs": 1, "dropout": 0.0}
    plain, fast = (train(tiny.training(tmp_path / str(on), torch_compile=on, **given)) for on in (False, True))
    for ours, theirs in zip(fast.history, plain.history, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=2e-3)


@pytest.mark.gpu
def test_float16_scales_its_loss_and_resumes_with_the_scale(tiny, tmp_path):
    run = tiny.training(tmp_path, text="", epochs=2, fp16=True)
    assert train(run).history == train(tiny.training(tmp_path, text="", epochs=2, fp16=True)).history
    assert all(p.dtype == torch.float32 for p in run.model.parameters())


@pytest.mark.gpu
def test_a_step_on_a_gpu_waits_for_nothing(tiny, tmp_path):
    """Masks and fake quantization included: torch itself reports what would synchronize."""
    from sparsebuild.training.loop import _Loop

    loop = _Loop(tiny.training(tmp_path))
    loop.model.train()
    steps = (batches for epoch in range(4) for batches in loop._updates(epoch, 0))
    ready = [(loop._moment(k), batches) for k, batches in enumerate(steps)]
    for moment, batches in ready[:32]:
        loop._update(moment, batches)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for moment, batches in ready[32:]:  # past the last pruning event and the freeze of observers
            loop._update(moment, batches)
    finally:
        torch.cuda.set_sync_debug_mode("default")
