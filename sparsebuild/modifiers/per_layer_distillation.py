"""Learning from what single layers of the teacher give: `PerLayerDistillationModifier`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sparsebuild.errors import RecipeError, TargetFailed
from sparsebuild.modifiers.base import Attached, Batch, Moment, Phase, Run
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.parameters import at_work
from sparsebuild.modifiers.span import begin, is_active, number, until
from sparsebuild.recipe import Entry
from sparsebuild.registry import did_you_mean

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sparsebuild.training.shapes import Kept

__all__ = ["PerLayerDistillation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PerLayerDistillation:
    """loss + gain · Σ over layers of mean((P(s) - t)²), normalized by mean(t²) + ε; P is a map that learns as well.

    The teacher is asked at every step: what all its layers give is too much to keep. Padding is not counted unless
    `distill_mask` is false; SparseML always counts it. Maps begin the same in every run.
    """

    tag: ClassVar[str] = "PerLayerDistillationModifier"
    summary: ClassVar[str] = "learns from what single layers of the teacher give"

    start_epoch: float = -1.0
    end_epoch: float = -1.0
    gain: float = 1.5
    normalize: bool = True
    student_layer_names: tuple[str, ...] | None = None  # None: as the teacher's; both None: all Linears
    teacher_layer_names: tuple[str, ...] | None = None
    project_features: bool = True  # without, widths must be the same
    epsilon: float = 1e-6
    distill_mask: bool = True  # ours: false averages over padding as well

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span()
        student, teacher = fields.texts("student_layer_names", None), fields.texts("teacher_layer_names", None)
        if student and teacher and len(student) != len(teacher):
            message = f"`student_layer_names` has {len(student)} names and `teacher_layer_names` {len(teacher)}"
            fields.problem("teacher_layer_names", message)
        spec = cls(
            start_epoch=start,
            end_epoch=end,
            gain=fields.number("gain", 1.5, least=0),
            normalize=fields.flag("normalize", True),
            student_layer_names=student or teacher or None,
            teacher_layer_names=teacher or student or None,
            project_features=fields.flag("project_features", True),
            epsilon=fields.number("epsilon", 1e-6, least=0),
            distill_mask=fields.flag("distill_mask", True),
        )
        fields.only("distill_output_keys", (None, ()), "layers are learned from, not outputs of the model")
        fields.only("teacher_input_keys", (None, ()), "the teacher sees what the student sees")
        fields.ignored("update_frequency")
        fields.finish()
        return spec

    def phases(self, epochs: float) -> Sequence[Phase]:
        told = f"gain {number(self.gain)}"
        count = len(self.student_layer_names or ())
        told += f", {count} layer{'s' if count > 1 else ''}" if count else ", all Linears"
        told += "" if self.normalize else ", not normalized"
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value=told),)

    def attach(self, run: Run) -> Attached:
        return _Following(self, run) if run.has_teacher else Attached()


class _Following(Attached):
    def __init__(self, spec: PerLayerDistillation, run: Run) -> None:
        from sparsebuild.training.live_teacher import watch
        from sparsebuild.training.projections import Projections

        if run.teacher is None:
            raise TargetFailed(f"{spec.tag} needs the teacher at every step")
        self.spec = spec
        self.model = run.model
        self.teacher = run.teacher
        self.projections = Projections(run.optimizer)
        self.pairs = _pairs(spec, run.model, run.teacher.model)
        self.seen: dict[str, Tensor] = {}
        self.said: dict[str, Tensor] = {}
        watch(run.model, [student for student, _ in self.pairs], self.seen)
        self.teacher.watch([teacher for _, teacher in self.pairs])

    def before_step(self, moment: Moment) -> None:
        self.seen.clear()  # what validation or scoring ran the model for

    def on_loss(self, moment: Moment, batch: Batch, outputs: Any, loss: Tensor) -> Tensor:
        self.said = {}
        if is_active(self.spec, moment) and (pairs := self._at_work()):
            goals = self.teacher.layers(batch)
            differences = [self._difference(student, teacher, goals, batch) for student, teacher in pairs]
            total = sum(differences[1:], start=differences[0])
            self.said["layer_loss"] = total.detach()  # its graph would outlive a cut of the weights
            loss = loss + self.spec.gain * total
        self.seen.clear()
        return loss

    def on_cut(self, kept: Kept) -> None:
        self.projections.cut(kept)

    def parts(self) -> Mapping[str, Tensor]:
        """What was added to the last loss, without its gain."""
        return self.said

    def state(self) -> Mapping[str, Tensor]:
        return self.projections.state()

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        self.projections.restore(state)

    def _at_work(self) -> list[tuple[str, str]]:
        """The pairs whose student's layer is not left out."""
        there = set(at_work(self.model, [student for student, _ in self.pairs]))
        return [pair for pair in self.pairs if pair[0] in there]

    def _difference(self, student: str, teacher: str, goals: Mapping[str, Tensor], batch: Batch) -> Tensor:
        from sparsebuild.numerics.distillation import feature_loss

        spec = self.spec
        for name, seen, whose in ((student, self.seen, "student"), (teacher, goals, "teacher")):
            if name not in seen:
                raise TargetFailed(f"{spec.tag}: the {whose}'s `{name}` is never called", hint="leave it out")
            if not hasattr(seen[name], "shape"):
                raise TargetFailed(
                    f"{spec.tag}: the {whose}'s `{name}` gives several tensors",
                    hint="name a layer within it that gives one, such as a Linear",
                )
        x, goal = (self._real(t, batch) for t in (self.seen[student], goals[teacher]))
        if spec.project_features:
            x = self.projections.project(student, x, goal.shape[-1])
        if x.shape != goal.shape:
            raise TargetFailed(
                f"{spec.tag}: `{student}` gives {x.shape[-1]} values and the teacher's `{teacher}` {goal.shape[-1]}",
                hint="`project_features: true` maps one to the other",
            )
        return feature_loss(x, goal, is_normalized=spec.normalize, epsilon=spec.epsilon)

    def _real(self, out: Tensor, batch: Batch) -> Tensor:
        """What was given for real pieces; all of it where there is no place for each piece."""
        is_by_piece = out.shape[:2] == batch.attention_mask.shape
        return out[batch.attention_mask.bool()] if self.spec.distill_mask and is_by_piece else out


def _pairs(spec: PerLayerDistillation, student: nn.Module, teacher: nn.Module) -> list[tuple[str, str]]:
    """The layers of both that belong together; raises RecipeError for names and counts that do not fit."""
    from sparsebuild.training.live_teacher import outputs_of

    sides = []
    for names, model, whose in (
        (spec.student_layer_names, student, "student"),
        (spec.teacher_layer_names, teacher, "teacher"),
    ):
        known = [name for name, _ in model.named_modules() if name]
        for name in names or ():
            if name not in known:
                hint = did_you_mean(name, known) or f"it has, for example, `{known[-1]}`"
                raise RecipeError(f"{spec.tag}: the {whose} has no layer `{name}`", hint=hint)
        sides.append(list(names or outputs_of(model)))
    if len(sides[0]) != len(sides[1]):
        raise RecipeError(
            f"{spec.tag}: the student has {len(sides[0])} Linears and the teacher {len(sides[1])}",
            hint="say which learn from which with `student_layer_names` and `teacher_layer_names`",
        )
    return list(zip(*sides, strict=True))
