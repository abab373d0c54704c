"""Train a model by its recipe: the target `train`, and `teacher` without one.

Inputs: `model` (a folder to start from), `labels`, `tokenizer`, `train`, `validation`, and where they are used
`unlabelled` and `teach`. Outputs: `model/`, which plain `from_pretrained` opens, and `metrics.jsonl`, a line an epoch.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsebuild import modifiers
from sparsebuild.engine.job import Job, Report
from sparsebuild.errors import TargetFailed
from sparsebuild.recipe import Resolved
from sparsebuild.steps.computing import begin

if TYPE_CHECKING:
    from torch import Tensor

    from sparsebuild.modifiers.base import Modifier
    from sparsebuild.training.batches import Corpus
    from sparsebuild.training.settings import Settings

__all__ = ["check_saved", "run", "tell_clashes"]


def run(job: Job, report: Report) -> None:
    """Train, save, and check that what was saved is what was promised."""
    from sparsebuild.training.arrival import brought_along
    from sparsebuild.training.loop import Training, train
    from sparsebuild.training.models import open_pretrained, save_model
    from sparsebuild.training.skipped_layers import drop_skipped
    from sparsebuild.training.structure import observed_structure

    settings, threads = begin(job, report, _recorded_threads(job))
    labels = json.loads(job.inputs["labels"].read_text())
    specs = _specs(job.params)
    epochs = modifiers.epochs(specs) or math.ceil(settings.num_train_epochs)
    tell_clashes(job.params, specs, epochs, report)
    model = open_pretrained(job.inputs["model"], labels, settings.dropout, settings.seed)
    for sentence, level in brought_along(model, specs):
        report.log(sentence, level=level)
    trained = train(
        Training(
            model=model,
            corpus=_corpus(job),
            specs=specs,
            settings=settings,
            epochs=epochs,
            has_teacher="teach" in job.inputs,
            validate=_validation(job, labels, settings),
            checkpoints=job.scratch / "checkpoints",
            facts={"threads": threads},
            progress=report.progress,
            log=report.log,
        )
    )
    folder = job.out / "model"
    names = drop_skipped(model)
    masks = {names[name]: mask for name, mask in trained.masks.items() if name in names}
    kinds = {names[name]: kind for name, kind in trained.mask_types.items() if name in names}
    save_model(model, observed_structure(model, masks, kinds), folder)
    shutil.copytree(job.inputs["tokenizer"], folder, dirs_exist_ok=True)
    _write_history(job.out / "metrics.jsonl", trained.history)
    check_saved(model, masks, folder)
    for name, value in trained.history[-1].items():
        report.metric(name, value)


def check_saved(model: Any, masks: Mapping[str, Tensor], folder: Path) -> None:
    """Open what was saved as a stranger would and compare it, bit by bit; raises TargetFailed."""
    import torch
    from safetensors.torch import load_file

    from sparsebuild.modifiers.mask_type import MaskType
    from sparsebuild.training.models import open_model
    from sparsebuild.training.structure import Structure

    saved, structure = load_file(folder / "model.safetensors"), Structure.read(folder)
    for name, mask in masks.items():
        if bool((saved[name][mask == 0] != 0).any()):
            raise TargetFailed(
                f"`{name}` was promised {int((mask == 0).sum())} zeros, and some are not zero in the file"
            )
    for name, masked in structure.masked.items() if structure else ():
        kind = MaskType.of(masked.mask_type)
        if kind is None or not kind.is_kept_by(saved[name], masked.zeros):
            raise TargetFailed(f"the zeros of `{name}` do not lie as `mask_type: {masked.mask_type}` wants them")
    reopened = open_model(folder)
    ids = torch.arange(1, 33).reshape(2, 16) % model.config.vocab_size
    model.eval()
    with torch.no_grad():
        same = torch.equal(model(input_ids=ids).logits, reopened(input_ids=ids).logits)
    if not same:
        raise TargetFailed("the saved model does not compute what the trained one does")


def tell_clashes(params: Mapping[str, Any], specs: Sequence[Modifier], epochs: int, report: Report) -> None:
    """Where the recipe and `[train]` both speak, the recipe wins, and the user hears of it."""
    if "num_train_epochs" in params and modifiers.epochs(specs):
        report.log(f"the recipe asks for {epochs} epochs: `train.num_train_epochs` is not used", level="warning")
    if "learning_rate" in params and modifiers.sets_learning_rate(specs):
        report.log(
            "the recipe sets the learning rate: `train.learning_rate` holds only before it begins", level="warning"
        )


def _specs(params: Mapping[str, Any]) -> Sequence[Modifier]:
    recipe = params.get("recipe")
    return modifiers.specs(Resolved.from_json(recipe)) if recipe else ()


def _corpus(job: Job) -> Corpus:
    from sparsebuild.tasks.prepared import PreparedSplit
    from sparsebuild.training.batches import Corpus, TeacherAnswers

    names = [name for name in ("train", "unlabelled") if name in job.inputs]
    splits = tuple(PreparedSplit.open(job.inputs[name]) for name in names)
    answers = tuple(TeacherAnswers.open(job.inputs["teach"] / name) for name in names if "teach" in job.inputs)
    return Corpus(splits=splits, answers=answers)


def _validation(job: Job, labels: Sequence[str], settings: Settings) -> Any:
    from sparsebuild.tasks.prepared import PreparedSplit
    from sparsebuild.training.evaluation import evaluate, torch_logits

    split = PreparedSplit.open(job.inputs["validation"])

    def validate(model: Any) -> dict[str, float]:
        scores = evaluate(torch_logits(model), split, labels, settings.per_device_eval_batch_size).overall
        return {"precision": scores.precision, "recall": scores.recall, "f1": scores.f1}

    return validate


def _recorded_threads(job: Job) -> int | None:
    """The thread count of the checkpoint that would be continued: sums depend on it."""
    from sparsebuild.training.checkpoints import newest

    saved = newest(job.scratch / "checkpoints")
    return int(saved.facts["threads"]) if saved else None


def _write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    path.write_text("".join(json.dumps(figures) + "\n" for figures in history))
