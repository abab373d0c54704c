"""The manifest as values: what a user can write in `sparse.toml`, with its meaning, range and default.

Everything else follows from these dataclasses: what `read` accepts, the JSON Schema that editors complete from, the
documentation of the keys. The words in a field's metadata are those of pydantic's `Field`, which `read.py` and
`schema.py` hand to it; pydantic is not imported here, because a run with nothing to do must not pay for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

__all__ = [
    "Bench",
    "Comparison",
    "Data",
    "Export",
    "Gate",
    "Limit",
    "Manifest",
    "Model",
    "Project",
    "Recipe",
    "Sensitivity",
    "Sources",
    "Teacher",
    "TeacherTrain",
    "Train",
    "Variant",
]

Comparison = Literal[">=", "<=", ">", "<"]

# Unknown keys are errors, "32" is not a number, 1 is a fine float, infinity is not, and no text is empty.
_STRICT: Mapping[str, object] = {"extra": "forbid", "strict": True, "allow_inf_nan": False, "str_min_length": 1}


def _about(description: str, **bounds: object) -> dict[str, object]:
    """What a key means, and its range as pydantic says it: gt, ge, lt, le."""
    return {"description": description, **bounds}


def _trust() -> Any:
    about = "`pickle` where weights are only there as one: tensors alone are loaded from it, and saved as safetensors."
    return field(default=None, metadata=_about(about))


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The project's name and what its model is trained to do."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    name: str = field(metadata=_about("What this project is called in messages and reports."))
    task: str = field(default="token-classification", metadata=_about("What the model is trained to do."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model that is trained: the student, when there is a teacher."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    source: str = field(
        metadata=_about(
            "Where the model comes from: a folder, `hf:ORG/NAME@REVISION`, `pypi:NAME==VERSION#folder/in/the/package`, "
            "or `target:teacher` to start from the teacher that this project trains."
        )
    )
    trust: Literal["pickle"] | None = _trust()


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """How to train. Names and meanings are those of transformers' TrainingArguments; a recipe can override some."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    num_train_epochs: float = field(
        default=3.0,
        metadata=_about("Passes over the training data, rounded up; a recipe's EpochRangeModifier wins over it.", gt=0),
    )
    learning_rate: float = field(
        default=5e-5,
        metadata=_about("The highest learning rate of AdamW; a recipe's learning rate wins over it.", ge=0),
    )
    lr_scheduler_type: Literal["linear", "cosine", "constant"] = field(
        default="linear", metadata=_about("How the learning rate goes to zero after the warm-up.")
    )
    warmup_steps: int = field(
        default=0, metadata=_about("Steps in which the learning rate rises from zero to its highest.", ge=0)
    )
    per_device_train_batch_size: int = field(
        default=32, metadata=_about("Sentences in a training batch of one process.", ge=1)
    )
    per_device_eval_batch_size: int = field(default=64, metadata=_about("Sentences in an evaluation batch.", ge=1))
    gradient_accumulation_steps: int = field(
        default=1, metadata=_about("Batches whose gradients are added up before a step.", ge=1)
    )
    weight_decay: float = field(default=0.0, metadata=_about("AdamW's weight decay, on matrices only.", ge=0))
    adam_beta1: float = field(default=0.9, metadata=_about("AdamW's decay of the mean gradient.", ge=0, lt=1))
    adam_beta2: float = field(default=0.999, metadata=_about("AdamW's decay of the mean squared gradient.", ge=0, lt=1))
    adam_epsilon: float = field(default=1e-8, metadata=_about("AdamW's epsilon.", gt=0))
    max_grad_norm: float = field(
        default=1.0, metadata=_about("Gradients are scaled down to this norm; 0 leaves them alone.", ge=0)
    )
    explosion_patience: int = field(
        default=20,
        metadata=_about(
            "Training stops after so many updates in a row with a loss or a gradient norm far off; 0: never.", ge=0
        ),
    )
    seed: int = field(
        default=42, metadata=_about("Of everything random: new weights, order of rows, dropout.", ge=0, le=2**32 - 1)
    )
    dropout: float | None = field(
        default=None, metadata=_about("Dropout while training; left out, as the model's config says.", ge=0, lt=1)
    )
    threads: Literal["auto"] | int = field(
        default="auto",
        metadata=_about("Threads of a process; `auto` is the cores there are, divided among the processes."),
    )
    float32_matmul_precision: Literal["highest", "high", "medium"] = field(
        default="highest", metadata=_about("Precision of float32 matrix products, as torch names it.")
    )
    bf16: bool = field(default=False, metadata=_about("Train in bfloat16 mixed precision."))
    fp16: bool = field(default=False, metadata=_about("Train in float16 mixed precision; needs a GPU."))
    torch_compile: bool = field(
        default=False, metadata=_about("Compile the model with torch.compile; pays on a GPU, seldom on a CPU.")
    )
    num_processes: int = field(
        default=1,
        metadata=_about(
            "Processes that train together, each on `per_device_train_batch_size` sentences of a step: two of them "
            "take half as many steps.",
            ge=1,
        ),
    )
    logging_steps: int = field(
        default=50, metadata=_about("Steps between two lines of `metrics.jsonl`; each epoch has one anyway.", ge=1)
    )
    report_to: tuple[str, ...] = field(
        default=(),
        metadata=_about("Trackers that are told the same, by accelerate's names: `tensorboard`, `wandb`, `mlflow` …"),
    )
    save_total_limit: int = field(
        default=2,
        metadata=_about("Checkpoints to keep while training; never fewer than two, as one may be damaged.", ge=1),
    )
    load_best_model_at_end: bool = field(
        default=False,
        metadata=_about("Leave the model of the best epoch instead of the last, among those with the final structure."),
    )
    metric_for_best_model: Literal["f1", "precision", "recall", "accuracy", "loss"] = field(
        default="f1", metadata=_about("The figure of the validation rows by which epochs are compared.")
    )
    greater_is_better: bool | None = field(
        default=None, metadata=_about("Whether more of that figure is better; left out, so it is, but for `loss`.")
    )
    early_stopping_patience: int | None = field(
        default=None,
        metadata=_about("Epochs without a better figure after which training ends; none end it before.", ge=1),
    )
    early_stopping_threshold: float = field(
        default=0.0, metadata=_about("How much better a figure has to be to count for that.", ge=0)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherTrain(Train):
    """How to train the teacher: a dense fine-tune, built first. Keys left out have their defaults, not `[train]`'s."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    from_: str = field(
        metadata=_about("The model that the teacher is fine-tuned from: any source but a target.", alias="from")
    )
    trust: Literal["pickle"] | None = _trust()


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """The model whose answers the student learns from. `teacher = "disable"` trains without."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    source: str = field(
        metadata=_about(
            "`target:teacher` for one that this project trains, any model source for a ready one, `self` for the model "
            "as it is when training begins, or `disable`."
        )
    )
    trust: Literal["pickle"] | None = _trust()
    train: TeacherTrain | None = field(default=None, metadata=_about("How to train it; only for `target:teacher`."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The rows to learn from and to be judged by: JSON, CSV, CoNLL or Parquet files, or a dataset of the Hub."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    source: str | None = field(
        default=None,
        metadata=_about(
            "A dataset, `hf:ORG/NAME@REVISION`: its splits train and validation, and test if it has one, for those of "
            "the following keys that are left out."
        ),
    )
    config: str | None = field(default=None, metadata=_about("The config of the dataset, where it has several."))
    train: str | None = field(
        default=None,
        metadata=_about("The rows to train on: a file, a folder of them, a pattern such as `rows/*.jsonl`."),
    )
    validation: str | None = field(
        default=None, metadata=_about("The rows that are looked at while training, and by `[gate]`.")
    )
    validation_fraction: float | None = field(
        default=None,
        metadata=_about("The share of the training rows to set aside where there is no `validation`.", gt=0, lt=1),
    )
    validation_seed: int = field(
        default=42, metadata=_about("Which rows are set aside: another number takes others.", ge=0, le=2**32 - 1)
    )
    test: str | None = field(default=None, metadata=_about("Rows that are only measured at the end."))
    unlabelled: str | tuple[str, ...] | None = field(
        default=None,
        metadata=_about(
            "Rows without labels that the teacher answers: a file, a pattern such as `more/*.jsonl`, a list."
        ),
    )
    unlabelled_ratio: float = field(
        default=1.0, metadata=_about("Unlabelled rows drawn in each epoch, per labelled row.", ge=0)
    )
    format: Literal["jsonl", "json", "csv", "conll", "parquet"] | None = field(
        default=None,
        metadata=_about(
            "How all these files are written; left out, each one's name or beginning tells. All but Parquet may be "
            "packed by gzip or zstd."
        ),
    )
    max_train_samples: int | None = field(
        default=None, metadata=_about("Take only so many of the training rows, the first ones.", ge=1)
    )
    max_eval_samples: int | None = field(
        default=None, metadata=_about("Take only so many of the validation rows, the first ones.", ge=1)
    )
    max_predict_samples: int | None = field(
        default=None, metadata=_about("Take only so many of the test rows, the first ones.", ge=1)
    )
    text_column: str = field(default="tokens", metadata=_about("The column that holds the list of words."))
    label_column: str = field(default="ner_tags", metadata=_about("The column that holds the list of tags."))
    labels: tuple[str, ...] | None = field(
        default=None, metadata=_about("The names of the tags, in order; needed when the rows hold numbers.")
    )
    max_length: int = field(
        default=128, metadata=_about("Pieces of a sentence that the model reads; the rest is cut off.", ge=3)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to do to the model while it trains, in SparseML's format. Plain fine-tuning has none, and needs
    `export.scheme = "fp32"` or `"fp16"`.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    source: str = field(metadata=_about("The recipe: a YAML or Markdown file, or `builtin:NAME` for one of ours."))
    args: dict[str, Any] = field(
        default_factory=dict, metadata=_about("Values for the recipe's variables: what --recipe_args was.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The ONNX file that is written at the end."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    scheme: Literal["portable", "ort-cpu", "tensorrt", "fp32", "fp16"] = field(
        default="portable",
        metadata=_about(
            "`portable` means the same on CPUs with and without VNNI; `ort-cpu` uses all 8 bits of the weights; "
            "`tensorrt` also rounds activations symmetrically; `fp32` and `fp16` are not quantized. A recipe's "
            "quantization trains for it."
        ),
    )
    exporter: Literal["torchscript", "dynamo"] = field(
        default="torchscript",
        metadata=_about("Which exporter of torch writes the file; `dynamo` needs `pip install sparsebuild[dynamo]`."),
    )
    opset: int = field(
        default=18, metadata=_about("The version of ONNX's operators; DeepSparse reads no newer one.", ge=17, le=23)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A bound on a figure, written `>= 0.40`."""

    comparison: Comparison
    value: float

    def __str__(self) -> str:
        return f"{self.comparison} {self.value!r}"

    def holds(self, figure: float) -> bool:
        """Whether `figure` is within the bound; NaN never is."""
        match self.comparison:
            case ">=":
                return figure >= self.value
            case "<=":
                return figure <= self.value
            case ">":
                return figure > self.value
            case "<":
                return figure < self.value

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read `>= 0.40`; raises ValueError."""
        match = re.fullmatch(_LIMIT, text.strip())
        if not match:
            raise ValueError(f"not a limit: {text!r}")
        comparison: Any = match[1]
        return cls(comparison=comparison, value=float(match[2]))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        """Tell pydantic that a limit is written as text."""
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, core: object, handler: object) -> dict[str, object]:
        return {"type": "string", "pattern": f"^{_LIMIT}$"}


_LIMIT = r"(>=|<=|>|<)\s*(-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What must hold, or the build fails and nothing is promoted."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    f1: Limit | None = field(default=None, metadata=_about("Entity F1 on the validation rows, such as `>= 0.40`."))
    f1_drop_from_teacher: Limit | None = field(
        default=None, metadata=_about("The teacher's F1 less the model's, such as `<= 0.02`.")
    )
    sparsity: Limit | None = field(
        default=None,
        metadata=_about(
            "The share of zeros among the weights of all Linears of the encoder, such as `>= 0.80`; a recipe that "
            "leaves some of them out reaches less."
        ),
    )
    agreement: Limit | None = field(
        default=None, metadata=_about("The share of words to which the exported file gives the model's label.")
    )
    size_mb: Limit | None = field(
        default=None, metadata=_about("The size of the exported file in megabytes of 1,000,000 bytes.")
    )
    speedup: Limit | None = field(
        default=None,
        metadata=_about(
            "How many times faster than its dense float model the exported file is, by `bench`: in the first of its "
            "runtimes, at the first of its shapes."
        ),
    )
    latency_ms: Limit | None = field(
        default=None, metadata=_about("The median time that the exported file takes there, in milliseconds.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What `sparsebuild run bench` measures."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    runtimes: tuple[Literal["onnxruntime", "openvino", "deepsparse"], ...] = field(
        default=("onnxruntime", "openvino", "deepsparse"),
        metadata=_about("Where to run the file. One that is not installed is named and left out."),
    )
    python: dict[str, str] = field(
        default_factory=dict,
        metadata=_about(
            "For a runtime that lives in another environment, the Python of that: a path from this file's folder, or a "
            "command. The variable SPARSEBUILD_PYTHON_<RUNTIME> wins over it."
        ),
    )
    shapes: tuple[str, ...] = field(
        default=("1x128", "32x128", "1x32"),
        metadata=_about("Sentences at once × pieces of each. Real sentences, one at a time, are always measured too."),
    )
    threads: int = field(default=1, metadata=_about("Threads that each runtime may use.", ge=1))
    seconds: float = field(
        default=2.0, metadata=_about("Time to spend on each file at each shape, about; at least five runs.", gt=0)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What `sparsebuild sensitivity` tries on each layer alone."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    model: Literal["train", "teacher"] = field(
        default="train", metadata=_about("The trained model to start from: the one of `train`, or its teacher.")
    )
    prune: float = field(
        default=0.5, metadata=_about("The share of a layer's weights to prune, of those that are left.", gt=0, lt=1)
    )
    sentences: int = field(
        default=256, metadata=_about("Take only so many of the validation rows, the first ones.", ge=1)
    )
    leave_out: int = field(default=3, metadata=_about("How many Linears the lines for a recipe leave out.", ge=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What to take in place of sources that are gone."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    zoo: dict[str, str] = field(
        default_factory=dict,
        metadata=_about("For a `zoo:` stub, as this file writes it, the source to take instead."),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One more model from the same data and the same teacher: what is done otherwise, laid over the file.

    `read` lays it, so that here each table is whole.
    """

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    recipe: Recipe | None = field(default=None, metadata=_about("Another recipe, or other arguments for it."))
    train: Train = field(default_factory=Train, metadata=_about("What is trained otherwise."))
    export: Export = field(default_factory=Export, metadata=_about("What is exported otherwise."))
    gate: Gate = field(default_factory=Gate, metadata=_about("What must hold of this one."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The settings of a sparsebuild project."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _STRICT

    project: Project
    model: Model
    teacher: Teacher | None = None
    data: Data
    recipe: Recipe | None = None
    train: Train = field(default_factory=Train)
    export: Export = field(default_factory=Export)
    gate: Gate = field(default_factory=Gate)
    bench: Bench = field(default_factory=Bench)
    sensitivity: Sensitivity = field(default_factory=Sensitivity)
    sources: Sources = field(default_factory=Sources)
    variant: dict[str, Variant] = field(
        default_factory=dict, metadata=_about("Other models of this project, by name: `train@NAME` trains one.")
    )

    def of(self, variant: str) -> Manifest:
        """The manifest as if the variant's values stood in the file; the file's own for no name."""
        if not variant:
            return replace(self, variant={})
        said = self.variant[variant]
        return replace(self, variant={}, recipe=said.recipe, train=said.train, export=said.export, gate=said.gate)
