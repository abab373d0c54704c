"""Learning from the teacher: `DistillationModifier`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sparsebuild.errors import TargetFailed
from sparsebuild.modifiers.base import Attached, Batch, Moment, Phase, Run
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.span import begin, is_active, number, until
from sparsebuild.recipe import Entry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Distillation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """loss = (1 - hardness) · task loss + hardness · KD [+ hidden_states · Σ over layers], see numerics/distillation.

    Outside its span, and without a teacher, the loss is left alone. SparseML counts all positions, padding included;
    we count real pieces, unless `distill_mask` is false: then the teacher is asked at every step, for the padding too.
    A teacher of another depth lends its layers evenly, one of another width through a map that is learned on the way.
    """

    tag: ClassVar[str] = "DistillationModifier"
    summary: ClassVar[str] = "learns from what the teacher says"

    start_epoch: float = -1.0
    end_epoch: float = -1.0
    hardness: float = 0.5  # 0: labels only … 1: teacher only
    temperature: float = 2.0
    hidden_states: float = 0.0  # ours: weight of the hidden states' term
    positions: str = "pieces"  # ours: "pieces" (all real ones) or "words" (the first piece of each word)
    distill_mask: bool = True  # ours: false averages over padding as well

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span()
        spec = cls(
            start_epoch=start,
            end_epoch=end,
            hardness=fields.number("hardness", 0.5, least=0, most=1),
            temperature=fields.number("temperature", 2.0, above=0),
            hidden_states=fields.number("hidden_states", 0.0, least=0),
            positions=fields.choice("positions", ("pieces", "words"), "pieces"),
            distill_mask=fields.flag("distill_mask", True),
        )
        if not spec.distill_mask and spec.positions == "words":
            message = "`distill_mask: false` counts every position, and `positions: words` the first pieces alone"
            fields.problem("distill_mask", message, "leave one of them out")
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
        told += "" if self.distill_mask else ", on padding as well"
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value=told),)

    def attach(self, run: Run) -> Attached:
        return _Distilling(self, run) if run.has_teacher else Attached()


class _Distilling(Attached):
    def __init__(self, spec: Distillation, run: Run) -> None:
        from sparsebuild.training.projections import Projections
        from sparsebuild.training.skipped_layers import layers

        self.spec = spec
        self.teacher = run.teacher
        self.log = run.log
        self.projections = Projections(run.optimizer)
        self.layers = [run.model.get_submodule(name) for name in layers(run.model)]
        self.is_told = False
        self.said: dict[str, Tensor] = {}  # parts of the last loss; detached, for a graph would outlive a cut

    def on_loss(self, moment: Moment, batch: Batch, outputs: Any, loss: Tensor) -> Tensor:
        spec = self.spec
        self.said = {}
        if not is_active(spec, moment):
            return loss
        total = loss.new_zeros(())
        if spec.hardness:
            from_logits = self._from_logits(batch, outputs)
            self.said["distillation_loss"] = from_logits.detach()
            total = spec.hardness * from_logits
        if spec.hardness < 1:
            total = total + (1 - spec.hardness) * loss
        if spec.hidden_states:
            from_states = self._from_hidden_states(batch, outputs)
            self.said["hidden_state_loss"] = from_states.detach()
            total = total + spec.hidden_states * from_states
        return total

    def parts(self) -> Mapping[str, Tensor]:
        return self.said

    def state(self) -> Mapping[str, Tensor]:
        return self.projections.state()

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        self.projections.restore(state)

    def _from_logits(self, batch: Batch, outputs: Any) -> Tensor:
        from sparsebuild.numerics.distillation import distillation_loss

        if not self.spec.distill_mask:
            everywhere = self._asked().logits(batch).flatten(0, 1)
            return distillation_loss(outputs.logits.flatten(0, 1), everywhere, self.spec.temperature)
        if batch.teacher_logits is None:
            raise TargetFailed(f"{self.spec.tag} needs the teacher's logits, and the batch has none")
        real = batch.attention_mask.bool()
        teacher, where = batch.teacher_logits, real
        if self.spec.positions == "words":
            where = batch.words & real
            teacher = teacher[batch.words[real]]
        return distillation_loss(outputs.logits[where], teacher, self.spec.temperature)

    def _asked(self) -> Any:
        if self.teacher is None:
            raise TargetFailed(f"{self.spec.tag}: `distill_mask: false` needs the teacher at every step")
        return self.teacher

    def _from_hidden_states(self, batch: Batch, outputs: Any) -> Tensor:
        from sparsebuild.numerics.distillation import hidden_state_loss, matched_layers

        if batch.teacher_hidden is None or outputs.hidden_states is None:
            raise TargetFailed(f"{self.spec.tag} needs the hidden states of teacher and student")
        real, goal = batch.attention_mask.bool(), batch.teacher_hidden
        states = [state[real] for state in outputs.hidden_states[1:]]  # the first is the embeddings' output
        chosen = list(matched_layers(len(states), len(goal)))
        self._tell(states, goal, chosen)
        if out := self._left_out(len(states)):  # a layer that stays is matched to the one that it was
            chosen = [k for i, k in enumerate(chosen) if i not in out]
            states = [state for i, state in enumerate(states) if i not in out]
        width = goal.shape[-1]
        if states[0].shape[-1] != width:
            places = [i for i in range(len(outputs.hidden_states) - 1) if i not in out]
            pairs = zip(places, states, strict=True)
            states = [self.projections.project(f"hidden.{i}", state, width) for i, state in pairs]
        return hidden_state_loss(states, goal if chosen == list(range(len(goal))) else goal[chosen])

    def _left_out(self, count: int) -> set[int]:
        """The places of layers that hidden states pass by."""
        from sparsebuild.training.skipped_layers import is_skipped

        return {i for i, layer in enumerate(self.layers) if is_skipped(layer)} if len(self.layers) == count else set()

    def _tell(self, states: Sequence[Tensor], goal: Tensor, chosen: Sequence[int]) -> None:
        """Say once how a teacher of another size is matched."""
        if not self.is_told and len(states) != len(goal):
            pairs = ", ".join(f"{i + 1} from {k + 1}" for i, k in enumerate(chosen))
            self.log(f"{self.spec.tag}: of the teacher's {len(goal)} layers the student's learn so: {pairs}")
        if not self.is_told and states[0].shape[-1] != goal.shape[-1]:
            widths = f"{states[0].shape[-1]} → {goal.shape[-1]}"
            self.log(
                f"{self.spec.tag}: hidden states are mapped to the teacher's width, {widths}, by maps that learn too"
            )
        self.is_told = True
