"""Learning from the teacher: `DistillationModifier`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sparsebuild.errors import TargetFailed
from sparsebuild.modifiers.base import Attached, Batch, Moment, Phase, Run
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.span import begin, is_active, number, until, warn_if_never
from sparsebuild.recipe import Entry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Distillation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """loss = (1 - hardness) · task loss + hardness · KD [+ hidden_states · Σ over layers], see numerics/distillation.

    Outside its span, and without a teacher, the loss is left alone. SparseML also counts padding; we do not.
    """

    tag: ClassVar[str] = "DistillationModifier"
    summary: ClassVar[str] = "learns from what the teacher says"

    start_epoch: float = -1.0
    end_epoch: float = -1.0
    hardness: float = 0.5  # 0: labels only … 1: teacher only
    temperature: float = 2.0
    hidden_states: float = 0.0  # ours: weight of the hidden states' term
    positions: str = "pieces"  # ours: "pieces" (all real ones) or "words" (the first piece of each word)

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span()
        spec = cls(
            start_epoch=start,
            end_epoch=end,
            hardness=fields.number("hardness", 0.5, least=0, most=1),
            temperature=fields.number("temperature", 2.0),
            hidden_states=fields.number("hidden_states", 0.0, least=0),
            positions=fields.choice("positions", ("pieces", "words"), "pieces"),
        )
        if spec.temperature <= 0:
            fields.problem("temperature", f"`temperature` must be more than 0, found {spec.temperature:g}")
        why = "the student learns from the teacher's logits"
        fields.only("distill_output_keys", (None, (), ("logits",)), why, "write [logits]")
        fields.only("teacher_input_keys", (None, ()), "the teacher sees what the student sees")
        fields.ignored("update_frequency")
        fields.finish()
        return spec

    def phases(self, epochs: float) -> Sequence[Phase]:
        told = f"hardness {number(self.hardness)}, temperature {number(self.temperature)}"
        told += f", hidden states {number(self.hidden_states)}" if self.hidden_states else ""
        told += ", on first pieces of words" if self.positions == "words" else ""
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value=told),)

    def attach(self, run: Run) -> Attached:
        warn_if_never(self.tag, self, run)
        return _Distilling(self) if run.has_teacher else Attached()


class _Distilling(Attached):
    def __init__(self, spec: Distillation) -> None:
        self.spec = spec
        self.said: dict[str, Tensor] = {}  # parts of the last loss

    def on_loss(self, moment: Moment, batch: Batch, outputs: Any, loss: Tensor) -> Tensor:
        spec = self.spec
        self.said = {}
        if not is_active(spec, moment):
            return loss
        total = loss.new_zeros(())
        if spec.hardness:
            self.said["distillation_loss"] = self._from_logits(batch, outputs)
            total = spec.hardness * self.said["distillation_loss"]
        if spec.hardness < 1:
            total = total + (1 - spec.hardness) * loss
        if spec.hidden_states:
            self.said["hidden_state_loss"] = self._from_hidden_states(batch, outputs)
            total = total + spec.hidden_states * self.said["hidden_state_loss"]
        return total

    def parts(self) -> Mapping[str, Tensor]:
        return self.said

    def _from_logits(self, batch: Batch, outputs: Any) -> Tensor:
        from sparsebuild.numerics.distillation import distillation_loss

        if batch.teacher_logits is None:
            raise TargetFailed(f"{self.spec.tag} needs the teacher's logits, and the batch has none")
        real = batch.attention_mask.bool()
        teacher, where = batch.teacher_logits, real
        if self.spec.positions == "words":
            where = batch.words & real
            teacher = teacher[batch.words[real]]
        return distillation_loss(outputs.logits[where], teacher, self.spec.temperature)

    def _from_hidden_states(self, batch: Batch, outputs: Any) -> Tensor:
        from sparsebuild.numerics.distillation import hidden_state_loss

        if batch.teacher_hidden is None or outputs.hidden_states is None:
            raise TargetFailed(f"{self.spec.tag} needs the hidden states of teacher and student")
        states = outputs.hidden_states[1:]  # the first is the embeddings' output
        if len(states) != len(batch.teacher_hidden):
            raise TargetFailed(
                f"{self.spec.tag}: the student has {len(states)} layers and the teacher {len(batch.teacher_hidden)}",
                hint="`hidden_states` needs a teacher with as many layers; leave it out to learn from the logits alone",
            )
        real = batch.attention_mask.bool()
        return hidden_state_loss([s[real] for s in states], batch.teacher_hidden)
