"""Whether a teacher can serve the student: seen before anything is trained, as soon as both are there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sparsebuild.encoders import VOCABULARIES, longest
from sparsebuild.errors import UserError
from sparsebuild.tasks.labels import map_labels

__all__ = ["check_labels_known", "check_reads_the_same"]


def check_reads_the_same(teacher: Path, student: Path, max_length: int) -> None:
    """Refuse a teacher that would read other words from the same ids, or fewer pieces than `max_length`: UserError.

    Both are folders of models; of the teacher's, what is to be trained into one will do.
    """
    from transformers import AutoTokenizer

    if not any((teacher / name).is_file() for name in VOCABULARIES):
        raise UserError(
            "the teacher has no tokenizer beside its weights, so nothing says that it reads the same words",
            hint=f"put the files that it was saved with there: one of {', '.join(VOCABULARIES)}",
        )
    ours, theirs = (
        AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False).get_vocab()
        for folder in (student, teacher)
    )
    if ours != theirs:
        differing = sorted(set(ours.items()) ^ set(theirs.items()))[:3]
        raise UserError(
            f"the teacher reads other words from the same ids: the student's vocabulary has {len(ours)} pieces, "
            f"the teacher's {len(theirs)}; they differ at {', '.join(f'{word!r} ({i})' for word, i in differing)}",
            hint="take a teacher of the same tokenizer, or fine-tune one from a model that has it",
        )
    most = longest(json.loads((teacher / "config.json").read_bytes()))
    if most is not None and max_length > most:
        raise UserError(f"`data.max_length` is {max_length}, but the teacher reads at most {most} pieces")


def check_labels_known(teacher: Path, labels: Sequence[str]) -> None:
    """Refuse a trained teacher that has no classifier, or one of other labels: UserError."""
    config = json.loads((teacher / "config.json").read_bytes())
    heads = config.get("architectures") or []
    if heads and not any("ForTokenClassification" in head for head in heads):
        raise UserError(
            f"the teacher is no token classifier: its config.json says {', '.join(heads)}",
            hint='fine-tune it first: `teacher.source = "target:teacher"` and `teacher.train.from` with its source',
        )
    named = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # what transformers takes it to be
    table = {int(number): name for number, name in named.items()}
    map_labels(labels, [table[number] for number in sorted(table)])
