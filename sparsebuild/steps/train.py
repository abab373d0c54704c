"""Train a model by its recipe: the target `train`, and `teacher` without one.

Inputs: `model` (a folder to start from), `labels`, `tokenizer`, `train`, `validation`, and where they are used
`unlabelled`, `teach`, and `teacher`, a model that is asked at every step. Outputs: `model/`, which plain
`from_pretrained` opens, and `metrics.jsonl`: a line every `logging_steps` and every epoch, of which the last tells of
the model. How fast it went is in the log alone, since outputs are the same bytes each time.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsebuild import modifiers
from sparsebuild.engine.job import Job, Report
from sparsebuild.layout import ProjectLayout
from sparsebuild.modifiers.base import FileGrid
from sparsebuild.recipe import Resolved
from sparsebuild.steps.computing import begin
from sparsebuild.steps.together import rank_here, run_together

if TYPE_CHECKING:
    from sparsebuild.modifiers.base import Modifier
    from sparsebuild.training.batches import Corpus
    from sparsebuild.training.budgets import Profile
    from sparsebuild.training.live_teacher import LiveTeacher
    from sparsebuild.training.loop import Training
    from sparsebuild.training.settings import Settings

__all__ = ["kinds_of_cpu", "run", "tell_clashes"]

_THEN = ", then "


def run(job: Job, report: Report) -> None:
    """Train, save, and check that what was saved is what was promised."""
    if rank_here() is None and (count := job.params.get("num_processes", 1)) > 1:
        run_together(job, report, count)
        return
    from sparsebuild.training.budgets import Keeping
    from sparsebuild.training.claims import check_saved
    from sparsebuild.training.loop import train
    from sparsebuild.training.models import save_model
    from sparsebuild.training.shapes import settle_config
    from sparsebuild.training.skipped_layers import drop_skipped
    from sparsebuild.training.structure import dense_shape, observed_structure

    profile = _profile(job)
    training = _training(job, report, profile)
    dense = dense_shape(training.model, job.inputs["model"])
    training = replace(training, dense=dense.shapes)
    keeping = Keeping.of(training.model, training.specs, profile, dense.shapes)
    trained = train(training)
    if rank_here():  # the first process writes
        return
    model, folder = training.model.cpu(), job.out / "model"
    trained = trained.renamed(drop_skipped(model))
    settle_config(model)
    masks = {name: mask.cpu() for name, mask in trained.masks.items()}
    structure = observed_structure(model, masks, trained.mask_types, dense)
    if keeping:
        structure = replace(structure, budget=keeping.kept(model))
    save_model(model, structure, folder)
    shutil.copytree(job.inputs["tokenizer"], folder, dirs_exist_ok=True)
    _write_history(job.out / "metrics.jsonl", trained.history)
    check_saved(model, masks, trained.promises, folder)
    for name, value in trained.history[-1].items():
        report.metric(name, value)


def tell_clashes(
    params: Mapping[str, Any],
    specs: Sequence[Modifier],
    epochs: int,
    report: Report,
    steps_per_epoch: int | None = None,
) -> None:
    """What is not used, the user hears: of `[train]`, where the recipe speaks as well and wins, and of the recipe."""
    if "num_train_epochs" in params and modifiers.epochs(specs):
        report.log(f"the recipe asks for {epochs} epochs: `train.num_train_epochs` is not used", level="warning")
    for told in modifiers.idle(specs, epochs, steps_per_epoch):
        report.log(told, level="warning")
    sets_rate = modifiers.sets_learning_rate(specs)
    if "learning_rate" in params and sets_rate:
        report.log(
            "the recipe sets the learning rate: `train.learning_rate` holds only before it begins", level="warning"
        )
    for key in ("lr_scheduler_type", "warmup_steps"):
        if params.get(key) and sets_rate:
            report.log(f"the recipe sets the learning rate: `train.{key}` is not used", level="warning")
    if params.get("warmup_steps") and params.get("lr_scheduler_type") == "constant" and not sets_rate:
        report.log("a constant learning rate has no warm-up: `warmup_steps` is not used", level="warning")


def kinds_of_cpu(before: str | None, now: str) -> str:
    """What the record says of the CPU: of all kinds that have worked on this training, as no single one repeats it."""
    if before is None or now in before.split(_THEN)[-1:]:
        return before or now
    return f"{before}{_THEN}{now}"


def _training(job: Job, report: Report, profile: Profile | None) -> Training:
    from sparsebuild.training.arrival import brought_along
    from sparsebuild.training.determinism import cpu_kind
    from sparsebuild.training.loop import Training
    from sparsebuild.training.models import labels_there, open_pretrained

    recorded = _recorded(job)
    settings, threads = begin(job, report, recorded.get("threads"))
    kinds = kinds_of_cpu(recorded.get("cpu"), cpu_kind())
    report.note("cpu", kinds)
    labels = json.loads(job.inputs["labels"].read_text())
    specs = _specs(job.params)
    epochs = modifiers.epochs(specs) or math.ceil(settings.num_train_epochs)
    model = open_pretrained(job.inputs["model"], labels, settings.dropout, settings.seed)
    file_grid = FileGrid(**job.params.get("file_grid", {}))
    had = labels_there(job.inputs["model"])
    for sentence, level in brought_along(model, modifiers.for_file(specs, file_grid), had):
        report.log(sentence, level=level)
    if profile and (told := profile.elsewhere(cpu_kind())):
        report.log(told, level="warning")
    training = Training(
        model=model,
        corpus=_corpus(job),
        specs=specs,
        settings=settings,
        epochs=epochs,
        has_teacher="teach" in job.inputs,
        validate=_validation(job, labels, settings),
        checkpoints=job.scratch / "checkpoints",
        file_grid=file_grid,
        trackers=ProjectLayout(job.root).state / "trackers" / job.name,
        facts={"threads": threads, "cpu": kinds},
        progress=report.progress,
        log=report.log,
        kernel_times=profile.times if profile else None,
        teacher=_live_teacher(job, labels),
    )
    tell_clashes(job.params, specs, epochs, report, training.steps_per_epoch)
    return training


def _profile(job: Job) -> Profile | None:
    from sparsebuild.training.budgets import Profile

    return Profile.read(job.inputs["profile"]) if "profile" in job.inputs else None


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


def _live_teacher(job: Job, labels: Sequence[str]) -> LiveTeacher | None:
    from sparsebuild.tasks.labels import map_labels
    from sparsebuild.training.live_teacher import LiveTeacher
    from sparsebuild.training.models import labels_of, open_model

    if "teacher" not in job.inputs:
        return None
    model = open_model(job.inputs["teacher"])
    return LiveTeacher(model, map_labels(labels, labels_of(model)))


def _validation(job: Job, labels: Sequence[str], settings: Settings) -> Any:
    from sparsebuild.tasks.prepared import PreparedSplit
    from sparsebuild.training.evaluation import figures_of, torch_logits

    split = PreparedSplit.open(job.inputs["validation"])

    def validate(model: Any) -> dict[str, float]:
        return figures_of(torch_logits(model), split, labels, settings.per_device_eval_batch_size)

    return validate


def _recorded(job: Job) -> Mapping[str, Any]:
    """The facts of the checkpoint that would be continued, or none: sums depend on the thread count and the CPU."""
    from sparsebuild.training.checkpoints import newest

    saved = newest(job.scratch / "checkpoints")
    return saved.facts if saved else {}


def _write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    path.write_text("".join(json.dumps(figures) + "\n" for figures in history))
