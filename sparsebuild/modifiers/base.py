"""What a modifier is, and the moments of training at which it acts.

A modifier's spec is a frozen value made of the recipe's fields; it can be read, printed and compared without torch.
What it needs while running lives in what `attach` returns. The loop calls it at these moments:

    attached = [spec.attach(run) for spec in specs]
    for epoch in epochs:
        for batch in batches:
            moment = Moment(step, steps_per_epoch)
            before_step(moment)                      # cuts; schedules; quantization on; observers frozen
            outputs = model(batch)
            loss = task_loss
            loss = on_loss(moment, batch, outputs, loss)   # distillation
            loss.backward()
            before_optimizer(moment)                 # scores made of gradients
            optimizer.step()
            after_optimizer(moment)                  # masks
    on_end()                                         # the last word on masks

`moment.epoch` is a pure function of the global step, so a resumed run is at the same place of the schedule. Tensors
that must survive a stop (masks) are given by `state` and taken back by `restore`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.numerics.sparsity_schedule import clock

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from sparsebuild.numerics.kernel_times import KernelTimes
    from sparsebuild.recipe import Entry
    from sparsebuild.training.shapes import Kept

__all__ = ["Attached", "Batch", "FileGrid", "Gradients", "Modifier", "Moment", "Phase", "Promise", "Run"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where training is, before the optimizer's update number `step` (from 0)."""

    step: int
    steps_per_epoch: int
    epochs: int

    @property
    def epoch(self) -> float:
        """Epochs as a fraction: the whole part and the part are added, as the recipes' own clock does."""
        return clock(self.step, self.steps_per_epoch)

    @property
    def last_step(self) -> int:
        return self.steps_per_epoch * self.epochs - 1

    @property
    def before(self) -> Moment | None:
        """The moment of the step before, or None at the start: what has happened already when a run is restored."""
        return replace(self, step=self.step - 1) if self.step > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One stretch of the schedule, for people: what is done from `start` to `end` epochs."""

    modifier: str  # "LearningRateFunctionModifier"
    start: float  # epochs
    end: float  # epochs
    value: str  # "1.5e-4 → 0, linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a modifier's settings say of the model that comes out; the saved files are held to it."""

    modifier: str  # "GMPruningModifier"
    parameters: tuple[str, ...] = ()  # which together hold at zero ...
    zeros: int = 0  # ... so many weights, exactly, unless another modifier holds more of them
    at_least: bool = False  # or more
    modules: tuple[str, ...] = ()  # which are quantized
    shapes: Mapping[str, LayerShape] = field(default_factory=dict)  # layer → what it is left with, or less by others


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch on the model's device; b sentences, padded to s pieces."""

    input_ids: Tensor  # (b, s) int64
    attention_mask: Tensor  # (b, s) int64, 1 on real pieces
    token_type_ids: Tensor  # (b, s) int64, zeros
    labels: Tensor  # (b, s) int64, -100 where there is none
    words: Tensor  # (b, s) bool, on the first piece of each word
    teacher_logits: Tensor | None = None  # (real pieces, labels) float32, in the order of attention_mask.bool()
    teacher_hidden: Tensor | None = None  # (layers, real pieces, width) float32, likewise

    def to(self, device: torch.device) -> Batch:
        """The batch on `device`."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {name: value if value is None else value.to(device) for name, value in values.items()}
        return Batch(**moved)

    @property
    def model_inputs(self) -> dict[str, Tensor]:
        return {
            "input_ids": self.input_ids,
            "attention_mask": self.attention_mask,
            "token_type_ids": self.token_type_ids,
        }


class Gradients(Protocol):
    """Gradients of the task's loss, taken aside: the model is in evaluation mode meanwhile and keeps none of them."""

    def __call__(
        self, weights: Sequence[Tensor], *, key: int, count: int | None, size: int | None
    ) -> Iterator[Sequence[Tensor]]:
        """Those of `count` batches of `size` labelled sentences (None: as in training), for each of `weights`.

        Without `count` each sentence comes once.

        Which sentences, and in which order, is a function of `key`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileGrid:
    """What the exported file will round to: quantization in training follows it where the recipe does not say."""

    weight_levels: int = 63  # largest integer of a Linear's weight
    symmetric_activations: bool = False  # int8 with the zero point 0, rather than uint8


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What training gives to a modifier when it is attached."""

    model: nn.Module
    optimizer: Optimizer
    steps_per_epoch: int
    epochs: int
    specs: Sequence[Modifier]  # all of the recipe, for who has to know of others
    has_teacher: bool  # False under `teacher = "disable"`: distillation leaves the loss alone
    file_grid: FileGrid = field(default_factory=FileGrid)
    log: Any  # Callable[[str], None]: a sentence for the user
    progress: Callable[[int, int, str], None] = lambda done, total, unit: None  # of what takes long between two steps
    gradients: Gradients | None = None  # of labelled text, for who needs more of them than a step has
    cut: Callable[[Kept], None] | None = None  # slices weights and Adam's state, and tells all who hold masks of them
    dense: Sequence[LayerShape] | None = None  # the layers before anything was cut; None: those of the model
    kernel_times: KernelTimes | None = None  # of the machine that the model is for, where a budget of time is kept
    teacher: Any = None  # training.live_teacher.LiveTeacher, where `needs_live_teacher` says so

    @property
    def last_step(self) -> int:
        return self.steps_per_epoch * self.epochs - 1

    def weights(self, names: Sequence[str]) -> dict[str, Tensor]:
        """The named parameters, in the order of `names`."""
        parameters = dict(self.model.named_parameters())
        return {name: parameters[name] for name in names}


class Attached:
    """A modifier at work; every moment does nothing unless a subclass says otherwise."""

    def before_step(self, moment: Moment) -> None:
        """Set what this step is taken with."""

    def on_loss(self, moment: Moment, batch: Batch, outputs: Any, loss: Tensor) -> Tensor:
        """The loss to minimize, given the one so far. `outputs` has `logits` (b, s, labels) and `hidden_states`."""
        return loss

    def before_optimizer(self, moment: Moment) -> None:
        """Look at the gradients of this update, clipped as the optimizer will see them."""

    def after_optimizer(self, moment: Moment) -> None:
        """Act on the updated weights."""

    def on_end(self) -> None:
        """Act once more when training is over."""

    def on_cut(self, kept: Kept) -> None:
        """Follow weights that have been sliced: of each, the dimension that was cut and the places that stay."""

    def figures(self) -> Mapping[str, float]:
        """Figures worth showing now."""
        return {}

    def zeros(self) -> Mapping[str, int]:
        """Parameter name to how many weights are held at zero now, of all that it prunes, be it 0 so far."""
        return {}

    def parts(self) -> Mapping[str, Tensor]:
        """What the last `on_loss` was made of, by name: scalars () worth a line in the curve."""
        return {}

    def promises(self) -> Sequence[Promise]:
        """What the model must be now that training is over, by the settings alone: not by what was done."""
        return ()

    def masks(self) -> Mapping[str, Tensor]:
        """Parameter name to mask (0 or 1, the parameter's shape), for what is held at zero now."""
        return {}

    def mask_types(self) -> Mapping[str, str]:
        """Parameter name to the kind of its mask, as `mask_type` in a recipe writes it."""
        return {}

    def state(self) -> Mapping[str, Tensor]:
        """Tensors that a checkpoint must hold."""
        return {}

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        """Take `state` back, at the step that comes next. Called before the optimizer's state is loaded."""


class Modifier(Protocol):
    """A modifier's settings, as the recipe gave them. Implementations are frozen, keyword-only dataclasses.

    Epochs may be fractions. A `start_epoch` of -1 is the beginning, an `end_epoch` of -1 the end of training.
    """

    tag: ClassVar[str]  # as in the recipe, without "!"
    summary: ClassVar[str]  # one line for `recipe show` and error messages

    @classmethod
    def read(cls, entry: Entry) -> Self:
        """The settings of one entry of a recipe; raises RecipeError with everything that is wrong with them."""
        ...

    @property
    def start_epoch(self) -> float: ...

    @property
    def end_epoch(self) -> float: ...

    def phases(self, epochs: float) -> Sequence[Phase]:
        """The schedule in a run of `epochs`, without torch."""
        ...

    def attach(self, run: Run) -> Attached:
        """Begin to act on `run`; imports torch."""
        ...
