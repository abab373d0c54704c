"""What a project's recipe means in its model: looked at as soon as the model's header is at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sparsebuild.errors import UserError
from sparsebuild.exporters import FLOATS
from sparsebuild.manifest import Manifest
from sparsebuild.providers import LOCAL, scheme_of

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project
    from sparsebuild.engine.graph import Graph
    from sparsebuild.lock import Lock, LockedFile, LockedSource
    from sparsebuild.modifiers.matching import Tensors

__all__ = [
    "arriving_bits",
    "base_model",
    "headers",
    "make_sure",
    "refuse_long_shapes",
    "refuse_unknown",
    "starts_float",
    "tensors",
    "unused",
]

_TRAIN = ("teacher", "train")  # steps
_TIMES = ("bench", "compare")  # all shapes; `profile` times the first alone
_MODELS = {"model": "model.source", "teacher": "teacher.source", "teacher.train": "teacher.train.from"}


def base_model(manifest: Manifest, lock: Lock | None) -> LockedSource | None:
    """The source that training starts from: the student's, or the teacher's where the student is its copy."""
    name = "teacher.train" if manifest.model.source == "target:teacher" else "model"
    return lock.source(name) if lock else None


def tensors(project: Project) -> Tensors | None:
    """The parameters of the model that is trained; None where its header is not at hand, or says too little."""
    from sparsebuild.modifiers.matching import of_training
    from sparsebuild.providers.tensors import model_type, shapes, width_of_heads

    source, context = base_model(project.manifest, project.lock), project.context
    found = shapes(source, context) if source else None
    if not (source and found):
        return None
    return of_training(found, model_type(source, context), width_of_heads(source, context))


def starts_float(project: Project) -> bool:
    """Whether the model that training starts from is at hand and has no quantized Linear."""
    from sparsebuild.modifiers.matching import are_float
    from sparsebuild.providers.tensors import has_quantized_linears, shapes

    source = base_model(project.manifest, project.lock)
    if source is None or not _are_at_hand(source.files, source, project):
        return False
    found = shapes(source, project.context)
    return found is not None and are_float(found) and not has_quantized_linears(source, project.context)


def arriving_bits(project: Project) -> int:
    """How many bits the weights of Linears have in the model that training starts from; 0: none, or not at hand."""
    from sparsebuild.providers.tensors import weight_bits

    source = base_model(project.manifest, project.lock)
    return weight_bits(source, project.context) if source else 0


def refuse_unknown(project: Project) -> None:
    """Raise UserError for a model or a teacher of a type that cannot be trained, if its config is at hand."""
    from sparsebuild.encoders import encoder_of
    from sparsebuild.providers.tensors import model_type

    for name, where in _MODELS.items():
        source = project.lock.source(name) if project.lock else None
        if source and (kind := model_type(source, project.context)):
            encoder_of(kind, where)


def refuse_long_shapes(project: Project, targets: Sequence[str]) -> None:
    """Raise UserError for a shape of `[bench]` that `targets` would time and that the model is known not to read."""
    from sparsebuild.providers.tensors import longest_read

    steps = {target.partition("@")[0] for target in targets}
    shapes = project.manifest.bench.shapes
    timed = shapes if steps.intersection(_TIMES) else shapes[: "profile" in steps]
    source = base_model(project.manifest, project.lock) if timed else None
    most = longest_read(source, project.context) if source else None
    for shape in timed:
        if most is not None and int(shape.partition("x")[2]) > most:
            raise UserError(
                f"`bench.shapes` has {shape}, but the model reads at most {most} pieces",
                hint=f'write shapes that it reads under `[bench]` in sparse.toml, as `shapes = ["1x{most}"]`',
            )


def headers(project: Project) -> list[str]:
    """The sha256 of the files that have the model's header, once they are at hand: what a look at it depends on."""
    source = base_model(project.manifest, project.lock)
    weights = _weights(source) if source else []
    return [file.sha256 for file in weights] if source and _are_at_hand(weights, source, project) else []


def make_sure(project: Project, targets: Sequence[str], force: Sequence[str]) -> None:
    """Before a run: bring the model if only so can be said what the recipe means in it, and whether it can be exported.

    A run that trains would bring it anyway, and nobody should wait for a teacher to hear of a misspelt name. Raises
    RecipeError or ManifestError.
    """
    from sparsebuild.cli.forecast import forecast
    from sparsebuild.cli.offline import bring
    from sparsebuild.cli.project import graph

    source = base_model(project.manifest, project.lock)
    weights = _weights(source) if source else []
    if source is None or not _asks_much(project.manifest) or not weights or _are_at_hand(weights, source, project):
        return
    decisions = forecast(project, targets, force)
    if any(d.action.partition("@")[0] in _TRAIN and d.verdict != "fresh" and not d.restorable for d in decisions):
        bring([source], project.context)
        graph(project)


def unused(manifest: Manifest, graph: Graph) -> Iterator[str]:
    """What of a manifest no target learns from, in sentences: nobody names a teacher or more text for nothing."""
    if "teach" in graph.names:
        return
    if manifest.teacher and manifest.teacher.source != "disable":
        lacks = "no recipe" if manifest.recipe is None else "no DistillationModifier in the recipe"
        yield f"there is {lacks}: the teacher is compared with, but nothing learns from it"
    if manifest.data.unlabelled:
        yield "no teacher labels `data.unlabelled`: it is not trained on"


def _asks_much(manifest: Manifest) -> bool:
    """Whether there is a recipe, or a scheme that exports only what is quantized."""
    models = [manifest.of(variant) for variant in ("", *manifest.variant)]
    return any(model.recipe or model.export.scheme not in FLOATS for model in models)


def _weights(source: LockedSource) -> list[LockedFile]:
    return [file for file in source.files if file.path.endswith(".safetensors")]


def _are_at_hand(files: Sequence[LockedFile], source: LockedSource, project: Project) -> bool:
    """Whether these of a source's files can be read without a network."""
    return scheme_of(source.request) in LOCAL or all(project.store.has(file.sha256) for file in files)
