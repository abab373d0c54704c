"""From the documents to the graph: which targets there are, what each reads, and where its results stand.

    fetch@… → prepare ─┬→ teacher → teach ─┐
                       └───────────────────┴→ train ─┬→ eval ───┐
                                                     └→ export ─┴→ gate
    on demand: export → bench (→ gate, where it asks for speed); eval, export, bench → report; train → sensitivity;
               the student's config → profile (→ train, where the recipe has a budget of time)

A variant, `[variant.NAME]`, has targets of its own from `train@NAME` on. What stands before them is shared, and does
what any of them needs. `compare` times all exports in one run, for `report`.

`export` leaves a candidate; `gate` checks it and its own outputs are the promoted copy. So a gate that fails leaves
what was promoted before, with no special case in the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from sparsebuild import __version__
from sparsebuild import lock as locks
from sparsebuild.digest import text_digest
from sparsebuild.engine.action import Action, File, Input
from sparsebuild.engine.graph import Graph
from sparsebuild.errors import ManifestError, Problem
from sparsebuild.exporters import FLOATS, GRIDS
from sparsebuild.layout import built
from sparsebuild.libraries import major_minor
from sparsebuild.lock import Lock, LockedSource
from sparsebuild.manifest import Bench, Data, Export, Manifest, Sensitivity, Train, defaults, settings
from sparsebuild.origins import Documents, Origins
from sparsebuild.resolve import recipe_source
from sparsebuild.shipping.facts import Facts, Origin
from sparsebuild.steps import STEPS
from sparsebuild.steps.prepare import SETTINGS as PREPARE_SETTINGS

if TYPE_CHECKING:
    from sparsebuild.recipe import Places, Resolved

__all__ = ["RecipeFacts", "graph", "recipe_facts"]

_TRAINED_TEACHER = "target:teacher"
_DEFAULTS = {**defaults(Data), **defaults(Export), **defaults(Train)}  # no two of these tables share a key
# Tables that say what is built. The others measure it, on a machine whose paths nobody else needs to know.
_BUILDS = ("project", "model", "teacher", "data", "recipe", "train", "export")  # of [gate], `gates` tells
_QUANTIZATION = "QuantizationModifier"
_SHAPE = ("config", "structure")  # files beside a model's weights that say how large it is
_COMPUTES = ("threads", "per_device_eval_batch_size")  # of [train], for other steps


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFacts:
    """What the graph has to know of a recipe; plain enough to be kept as JSON, so that a no-op run reads no YAML."""

    modifiers: Mapping[str, Any]  # `Resolved.to_json()`: what counts for training
    needs_teacher: bool
    needs_hidden_states: bool
    needs_live_teacher: bool = False  # the teacher is asked at every step of training
    needs_kernel_times: bool = False  # there is a budget of time
    weight_bits: int = 0  # the most that a Linear's weights are trained for; 0: the recipe quantizes none
    has_symmetric_weights: bool = True  # no Linear's weights are trained on a grid with a zero point
    places: Places = field(default_factory=dict)  # where each of them stands, for people


def recipe_facts(recipe: Resolved, places: Places | None = None, linears: Sequence[str] | None = None) -> RecipeFacts:
    """Read the modifiers of a recipe; raises RecipeError for what cannot be run.

    `linears` are the Linears of the model that training starts from, where they are known.
    """
    from sparsebuild import modifiers

    specs = modifiers.specs(recipe)
    return RecipeFacts(
        modifiers=recipe.to_json(),
        needs_teacher=modifiers.needs_teacher(specs),
        needs_hidden_states=modifiers.needs_hidden_states(specs),
        needs_live_teacher=modifiers.needs_live_teacher(specs),
        needs_kernel_times=modifiers.needs_kernel_times(specs),
        weight_bits=modifiers.weight_bits(specs, linears),
        has_symmetric_weights=modifiers.has_symmetric_weights(specs, linears),
        places=places or {},
    )


def graph(
    manifest: Manifest,
    lock: Lock,
    recipe: RecipeFacts | None = None,
    documents: Documents | None = None,
    variants: Mapping[str, RecipeFacts | None] | None = None,
    starts_float: Callable[[], bool] = lambda: False,
    arriving_bits: Callable[[], int] = lambda: 0,
) -> Graph:
    """The graph of a project. `documents` are what it was read from, so that reasons can name their lines.

    `variants` has what is to know of the recipe of each variant. `starts_float` says whether the model that training
    starts from is known to have nothing quantized, `arriving_bits` how many bits the weights of its Linears are known
    to be rounded to (0: none); they are asked only if that matters.
    """
    known = documents or Documents()
    facts = {"": recipe, **{name: (variants or {}).get(name) for name in manifest.variant}}
    digest = cache(lambda variant: text_digest(locks.text(lock.of(variant))))
    start = _Start(is_float=cache(starts_float), bits=cache(arriving_bits))
    models = [_Model(manifest.of(name), lock, digest, found, known, name, start) for name, found in facts.items()]
    return Graph(tuple(_actions(models)))


def _actions(models: Sequence[_Model]) -> Iterator[Action]:
    """What all models of a project share, then what each has of its own; the project's own is the first."""
    first, *variants = models
    yield from first.sources()
    if first.trains_teacher:
        yield first.teacher()
    if distilling := [model for model in models if model.distils]:
        yield first.teach(distilling)
    for model in models:
        yield from model.actions()
    if variants:
        yield first.compare(variants)
    yield first.report(variants)
    yield from (model.report() for model in variants)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """What is known of the model that training starts from; not looked at unless it matters."""

    is_float: Callable[[], bool]
    bits: Callable[[], int]


class _Model:
    """The documents of one model of a project, and the actions that follow from them."""

    def __init__(
        self,
        manifest: Manifest,
        lock: Lock,
        lock_digest: Callable[[str], str],
        recipe: RecipeFacts | None,
        documents: Documents,
        variant: str,
        start: _Start,
    ) -> None:
        self.manifest, self.lock, self.recipe, self.variant = manifest, lock, recipe, variant
        self.lock_digest = lock_digest(variant if lock.source(f"recipe.{variant}") else "")  # most are the same
        self.documents = replace(documents, recipe=recipe.places) if variant and recipe else documents
        self._check_teacher()
        self._check_export(start)
        self._check_scheme(start)
        self._check_processes()

    def sources(self) -> Iterator[Action]:
        for source in self.lock.sources:
            if not source.is_recipe and source.files:
                files = tuple(File(path=f.path, size=f.size, sha256=f.sha256) for f in source.files)
                params = {"source": source.name}
                yield self._action(f"fetch@{source.name}", params=params, sources={source.name: files})
        yield self._prepare()

    def actions(self) -> Iterator[Action]:
        """What a variant has of its own, in the order of the drawing, but for the report."""
        yield self._train()
        yield self._eval()
        yield self._export()
        yield self._gate()
        yield self._bench()
        yield self._profile()
        yield self._sensitivity()

    # ---- what the documents ask for

    @property
    def trains_teacher(self) -> bool:
        """A teacher is trained where the student starts from it or learns from it."""
        asked = {self.manifest.model.source, self.manifest.teacher.source if self.manifest.teacher else ""}
        return _TRAINED_TEACHER in asked

    @property
    def has_teacher(self) -> bool:
        return self.manifest.teacher is not None and self.manifest.teacher.source != "disable"

    @property
    def distils(self) -> bool:
        return self.has_teacher and self.recipe is not None and self.recipe.needs_teacher

    @property
    def uses_pool(self) -> bool:
        """Unlabelled text is of use only where a teacher labels it."""
        return self.distils and self.manifest.data.unlabelled is not None

    @property
    def quantizes(self) -> bool:
        return self.recipe is not None and bool(self.recipe.weight_bits)

    @property
    def _whose(self) -> str:
        return f" of the variant `{self.variant}`" if self.variant else ""

    def _check_teacher(self) -> None:
        if self.recipe and self.recipe.needs_teacher and self.manifest.teacher is None:
            raise ManifestError(
                Problem(
                    message=f"the recipe{self._whose} distils, but sparse.toml names no teacher",
                    hint='write a [teacher] table with its `source`; "disable" trains without one',
                )
            )

    def _check_processes(self) -> None:
        """Layers are watched by a process for its own rows, so a teacher that is asked at every step works in one."""
        if self.distils and self.recipe and self.recipe.needs_live_teacher and self.manifest.train.num_processes > 1:
            raise ManifestError(
                Problem(
                    message=f"`train.num_processes` is {self.manifest.train.num_processes}, but the recipe{self._whose}"
                    " asks the teacher at every step, which one process does",
                    hint="leave it out, or take PerLayerDistillationModifier or `distill_mask: false` out of it",
                )
            )

    def _check_export(self, start: _Start) -> None:
        """Tell before training what the export of its result would refuse."""
        from sparsebuild.numerics.quantization_scheme import PORTABLE_BITS

        scheme = self.manifest.export.scheme
        if scheme == "tensorrt" and self.recipe and not self.recipe.has_symmetric_weights:
            raise ManifestError(
                Problem(
                    message=f"the recipe{self._whose} trains asymmetric weights{self._quantized_at('.scheme')}, and "
                    '`export.scheme` is "tensorrt", which holds symmetric ones',
                    hint='write `symmetric: true` under `weights` in the recipe, or `export.scheme = "ort-cpu"`',
                )
            )
        if scheme != "portable":
            return
        if self.recipe and self.recipe.weight_bits > PORTABLE_BITS:
            raise ManifestError(
                Problem(
                    message=f"the recipe{self._whose} trains weights of {self.recipe.weight_bits} bits"
                    f'{self._quantized_at(".weight_levels")}, and `export.scheme` is "portable", which holds '
                    f"{PORTABLE_BITS}",
                    hint='write `export.scheme = "ort-cpu"`, or `weight_levels: 63` in the recipe',
                )
            )
        if (bits := start.bits()) > PORTABLE_BITS:
            raise ManifestError(
                Problem(
                    message=f"the model that training starts from is quantized, with weights of {bits} bits that stay "
                    f'so, and `export.scheme` is "portable", which holds {PORTABLE_BITS}',
                    hint='write `export.scheme = "ort-cpu"`, or start from the model as it was before quantization',
                )
            )

    def _quantized_at(self, setting: str) -> str:
        """Where the recipe says so of quantization, by the setting that may say it."""
        assert self.recipe is not None
        places = {path: place[""] for path, place in self.recipe.places.items() if f"{_QUANTIZATION}[" in path}
        said = next((place for path, place in places.items() if path.endswith(setting)), None)
        return f" ({said or next(iter(places.values()))})" if places else ""

    def _check_scheme(self, start: _Start) -> None:
        """Refuse a scheme of integers for a model that nothing will have quantized."""
        scheme = self.manifest.export.scheme
        if scheme in FLOATS or self.quantizes or not start.is_float():
            return
        lacking, instead = "there is no recipe", "add a QuantizationModifier to the recipe"
        if self.recipe:
            lacking = f"the recipe{self._whose} has no {_QUANTIZATION}"
            if _QUANTIZATION in self.recipe.modifiers.get("modifiers", {}):
                lacking += " that quantizes weights of Linears before training ends"
                instead = "let the recipe's begin earlier and leave fewer modules out"
        raise ManifestError(
            Problem(
                message=f'`export.scheme` is "{scheme}", which writes int8, but {lacking} and the model that training'
                " starts from is not quantized",
                hint=f'write `export.scheme = "fp32"`, or {instead}',
            )
        )

    # ---- the actions, in the order of the drawing

    def _prepare(self) -> Action:
        data = self.manifest.data
        names = {f"data.{k}": v for k, v in self._data_sources().items()}
        params = {k: v for k, v in settings(data).items() if k in PREPARE_SETTINGS}
        known = self._dataset_labels("train")
        if data.labels is None and known:
            params["labels"] = list(known)
        if data.labels is None and (tables := self._other_tables(known)):
            params["tables"] = tables
        inputs = [Input(name="tokenizer", action=self._base_model()), *(_all(name, f"fetch@{name}") for name in names)]
        if (teacher := self._foreign_teacher()) != self._base_model():
            inputs.append(_all(teacher.removeprefix("fetch@"), teacher))
        return self._action(
            "prepare", params={"task": self.manifest.project.task, **params, "names": names}, inputs=inputs
        )

    def _data_sources(self) -> dict[str, Any]:
        data = self.manifest.data
        found = {"train": data.train, "validation": data.validation, "test": data.test, "unlabelled": data.unlabelled}
        for split in found if data.source else ():
            if split == "validation" and data.validation_fraction:
                continue
            of_dataset = self.lock.source(f"data.{split}")
            if found[split] is None and of_dataset and of_dataset.files:
                found[split] = data.source
        return {k: list(v) if isinstance(v, tuple) else v for k, v in found.items() if v is not None}

    def _dataset_labels(self, split: str) -> tuple[str, ...]:
        """The label table that the card of the split's dataset states."""
        source = self.lock.source(f"data.{split}")
        return source.labels.get(self.manifest.data.label_column, ()) if source else ()

    def _other_tables(self, known: tuple[str, ...]) -> dict[str, list[str]]:
        """The label tables of splits whose dataset numbers its tags otherwise than that of the training rows."""
        tables = {split: self._dataset_labels(split) for split in ("validation", "test")}
        return {split: list(table) for split, table in tables.items() if table and table != known}

    def teacher(self) -> Action:
        teacher = self.manifest.teacher
        assert teacher is not None  # the manifest was checked for it
        assert teacher.train is not None
        params = {k: v for k, v in settings(teacher.train).items() if k not in ("from_", "trust")}
        inputs = [_all("model", "fetch@teacher.train"), *_prepared("labels", "tokenizer", "train", "validation")]
        return self._action("teacher", step="train", params=params, inputs=inputs, under="teacher.train")

    def teach(self, distilling: Sequence[_Model]) -> Action:
        """Once for all that distil: what any of them needs."""
        params = self._computing("float32_matmul_precision")
        if any(model.recipe and model.recipe.needs_hidden_states for model in distilling):
            params["hidden_states"] = True
        splits = ["train", *(["unlabelled"] if any(model.uses_pool for model in distilling) else [])]
        inputs = [self._teacher_model(), *_prepared("labels", *splits)]
        return self._action("teach", params=params, inputs=inputs, folder=".sparsebuild/teach")

    def _train(self) -> Action:
        params = settings(self.manifest.train)
        if self.recipe:
            params["recipe"] = self.recipe.modifiers
            params |= self._grid()
        inputs = [self._student_start(), *_prepared("labels", "tokenizer", "train", "validation")]
        if self.distils:
            inputs.append(_all("teach", "teach"))
        if self.distils and self.recipe and self.recipe.needs_live_teacher:
            inputs.append(self._teacher_model())
        if self.recipe and self.recipe.needs_kernel_times:
            inputs.append(Input(name="profile", action=self._name("profile"), path="layers.json"))
        if self.uses_pool:
            inputs += _prepared("unlabelled")
            ratio = self.manifest.data.unlabelled_ratio
            params |= {"unlabelled_ratio": ratio} if ratio != 1.0 else {}
        return self._own_action("train", params=params, inputs=inputs)

    def _grid(self) -> dict[str, Any]:
        """What quantization rounds to, where the export scheme wants it otherwise than usual."""
        grid = GRIDS.get(self.manifest.export.scheme)
        return {"file_grid": dict(grid)} if grid and self.quantizes else {}

    def _eval(self) -> Action:
        inputs = [_model("model", self._name("train")), *_prepared("labels", *self._judged())]
        if self.has_teacher:
            inputs.append(self._teacher_model())
        return self._own_action("eval", params=self._computing(), inputs=inputs)

    def _export(self) -> Action:
        params = {**self._computing(), **settings(self.manifest.export)}
        inputs = [_model("model", self._name("train")), *_prepared("labels", *self._judged())]
        return self._own_action(
            "export", params=params, inputs=inputs, folder=f".sparsebuild/candidate/{self._name('export')}"
        )

    def _gate(self) -> Action:
        facts = asdict(self._facts())
        if not self.variant:
            del facts["variant"]
        params = {"gates": settings(self.manifest.gate), "facts": facts}
        inputs = [self._of("eval"), self._of("export"), _model("model", self._name("train"))]
        if self.manifest.gate.speedup or self.manifest.gate.latency_ms:
            inputs.append(self._of("bench"))
        return self._own_action("gate", params=params, inputs=inputs, folder=built("export", self.variant))

    def _bench(self) -> Action:
        inputs = [self._of("export"), _model("model", self._name("train")), *_prepared("validation")]
        params = settings(self.manifest.bench)
        return self._own_action("bench", params=params, inputs=inputs, under="bench", fallbacks=defaults(Bench))

    def compare(self, variants: Sequence[_Model]) -> Action:
        """All exports in one run, for only such times can be compared. A gate reads `bench`, which needs no other."""
        inputs = [self._of("export"), _model("model", "train"), *_prepared("validation")]
        inputs += [_all(f"export@{other.variant}", f"export@{other.variant}") for other in variants]
        if self.has_teacher:
            inputs.append(self._teacher_model())
        params = settings(self.manifest.bench)
        return self._action("compare", params=params, inputs=inputs, under="bench", fallbacks=defaults(Bench))

    def _profile(self) -> Action:
        """Only what a layer's kernels follow from: when quantization begins, and what weights are, is not in it."""
        start = self._student_start()
        config = replace(start, name="config", path=f"{start.path}/config.json".lstrip("/"))
        bench = settings(self.manifest.bench)
        params = {**settings(self.manifest.export), **{k: v for k, v in bench.items() if k == "threads"}}
        if (shape := self.manifest.bench.shapes[0]) != defaults(Bench)["shapes"][0]:
            params["shapes"] = [shape]
        quantization = self.recipe.modifiers.get("modifiers", {}).get(_QUANTIZATION) if self.recipe else None
        if quantization and self.manifest.export.scheme not in FLOATS:
            said = [{k: v for k, v in fields.items() if not k.endswith("_epoch")} for fields in quantization]
            params |= {"recipe": {"modifiers": {_QUANTIZATION: said}}, **self._grid()}
        known = {**defaults(Export), **defaults(Bench)}
        return self._own_action("profile", params=params, inputs=[config], under="bench", fallbacks=known)

    def _sensitivity(self) -> Action:
        asked = self.manifest.sensitivity
        trained = asked.model == "train"
        model = _model("model", self._name("train")) if trained else replace(self._teacher_model(), name="model")
        params = {**self._computing(), **settings(asked)}
        inputs = [model, *_prepared("labels", "validation")]
        known = {**_DEFAULTS, **defaults(Sensitivity)}
        return self._own_action("sensitivity", params=params, inputs=inputs, under="sensitivity", fallbacks=known)

    def report(self, variants: Sequence[_Model] = ()) -> Action:
        """The page does not need `gate`: it says which gate does not hold. The project's own compares all variants."""
        base = self.lock.source(self._base_model().removeprefix("fetch@"))
        params: dict[str, Any] = {
            "project": self.manifest.project.name + (f"@{self.variant}" if self.variant else ""),
            "start": base.request if base else self.manifest.model.source,
            "gates": settings(self.manifest.gate),
            "sources": [_told(source) for source in self._own_sources],
            "lock": self.lock_digest,
            "versions": {
                "sparsebuild": __version__,
                **{name: major_minor(name) for name in ("torch", "transformers", "onnxruntime")},
            },
        }
        if self.recipe:
            params["recipe"] = self.recipe.modifiers
        if laid_over := self.documents.written.options:
            params["laid_over"] = laid_over
        if self.variant:
            params["variant"] = self.variant
        inputs = [self._of(name) for name in ("eval", "export", "bench", "train")]
        inputs.append(Input(name="words", action="prepare", path="words.jsonl"))
        for name in (other.variant for other in variants):
            inputs += [Input(name=f"export@{name}", action=f"export@{name}", path="export.json")]
            inputs += [Input(name=f"{f}@{name}", action=f"train@{name}", path=f"model/{f}.json") for f in _SHAPE]
        if variants:
            inputs.append(_all("compare", "compare"))
            params["variants"] = [other.variant for other in variants]
        return self._own_action("report", params=params, inputs=inputs)

    def _facts(self) -> Facts:
        """What the card and the statement of provenance tell of the documents."""
        manifest = self.manifest
        tables = {name: getattr(manifest, name) for name in _BUILDS}
        said = {name: settings(table) for name, table in tables.items() if table is not None}
        return Facts(
            project=manifest.project.name,
            task=manifest.project.task,
            version=__version__,
            lock=self.lock_digest,
            base=self._base_model().removeprefix("fetch@"),
            settings={name: values for name, values in said.items() if values},
            recipe=self.recipe.modifiers if self.recipe else None,
            libraries={
                step: {library: major_minor(library) for library in STEPS[step].libraries}
                for step in ("prepare", "train", "export")
            },
            sources=tuple(_origin(source) for source in self._own_sources),
            variant=self.variant,
        )

    # ---- what they have in common

    def _name(self, step: str) -> str:
        """This model's target of that step."""
        return f"{step}@{self.variant}" if self.variant else step

    def _of(self, step: str) -> Input:
        """All that it left."""
        return _all(step, self._name(step))

    def _own_action(self, step: str, *, folder: str = "", **more: Any) -> Action:
        return self._action(self._name(step), folder=folder or built(step, self.variant), **more)

    @property
    def _own_sources(self) -> tuple[LockedSource, ...]:
        """The sources that this model is built from: of the recipes its own, which is called so."""
        own = recipe_source(self.lock, self.variant) if self.recipe else None
        sources = [source for source in self.lock.sources if not source.is_recipe or source == own]
        return tuple(replace(source, name="recipe") if source is own else source for source in sources)

    def _judged(self) -> list[str]:
        return ["validation", *(["test"] if "test" in self._data_sources() else [])]

    def _computing(self, *more: str) -> dict[str, Any]:
        """What other steps take from `[train]`. What is judged is always computed in full float32."""
        return {k: v for k, v in settings(self.manifest.train).items() if k in (*_COMPUTES, *more)}

    def _base_model(self) -> str:
        """Where the tokenizer comes from: the model that everything starts with."""
        return "fetch@teacher.train" if self.manifest.model.source == _TRAINED_TEACHER else "fetch@model"

    def _foreign_teacher(self) -> str:
        """Where the teacher, or what it is trained from, comes from; the base model where it is that."""
        if self.manifest.teacher is None or self.manifest.teacher.source in ("self", "disable"):
            return self._base_model()
        return "fetch@teacher.train" if self.manifest.teacher.source == _TRAINED_TEACHER else "fetch@teacher"

    def _student_start(self) -> Input:
        trained = self.manifest.model.source == _TRAINED_TEACHER
        return _model("model", "teacher") if trained else _all("model", "fetch@model")

    def _teacher_model(self) -> Input:
        assert self.manifest.teacher is not None
        if self.manifest.teacher.source == "self":
            return replace(self._student_start(), name="teacher")
        trained = self.manifest.teacher.source == _TRAINED_TEACHER
        return _model("teacher", "teacher") if trained else _all("teacher", "fetch@teacher")

    def _action(
        self,
        name: str,
        *,
        step: str = "",
        params: Mapping[str, Any],
        inputs: Sequence[Input] = (),
        sources: Mapping[str, Any] | None = None,
        folder: str = "",
        under: str = "train",
        fallbacks: Mapping[str, Any] = _DEFAULTS,
    ) -> Action:
        step = step or name.partition("@")[0]
        known = STEPS[step]
        kept = folder or (
            f".sparsebuild/{name.replace('@', '/')}" if name.startswith(("fetch@", "prepare")) else f"build/{name}"
        )
        return Action(
            name=name,
            step=step,
            version=known.version,
            params={key: value for key, value in params.items() if key not in known.beside},
            beside={key: value for key, value in params.items() if key in known.beside},
            inputs=tuple(inputs),
            sources=sources or {},
            libraries={library: major_minor(library) for library in known.libraries},
            folder=kept,
            where=known.where,
            resource=known.resource,
            exact=known.exact,
            on_demand=known.on_demand,
            origins=Origins(self.documents, name, under, self.variant),
            defaults=fallbacks,
        )


def _told(source: LockedSource) -> dict[str, Any]:
    """A source as people are told of it."""
    facts = {name: getattr(source, name) for name in ("version", "commit", "licence", "trust")}
    files = [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in source.files]
    return {"name": source.name, "request": source.request, **{k: v for k, v in facts.items() if v}, "files": files}


def _all(name: str, action: str) -> Input:
    return Input(name=name, action=action)


def _model(name: str, action: str) -> Input:
    return Input(name=name, action=action, path="model")


def _origin(source: LockedSource) -> Origin:
    return Origin(
        name=source.name,
        request=source.request,
        resolved=source.resolved,
        commit=source.commit or "",
        licence=source.licence,
        files={file.path: file.sha256 for file in source.files},
    )


def _prepared(*names: str) -> list[Input]:
    """Parts of what `prepare` leaves: a target depends only on those that it reads."""
    return [Input(name=n, action="prepare", path="labels.json" if n == "labels" else n) for n in names]
