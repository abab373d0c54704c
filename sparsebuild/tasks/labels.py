"""The label table: which tags there are, and which number each has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sparsebuild.errors import Problem, UserError

__all__ = ["OUTSIDE", "WHOSE_LABELS", "check_declared", "is_tag", "label_table", "map_labels"]

OUTSIDE = "O"

WHOSE_LABELS = "the table is what `data.labels` lists, or else the classes that the data name themselves"


def label_table(tags: Iterable[str]) -> tuple[str, ...]:
    """The label table of data that declare none: `O`, then by type in alphabetical order, `B-` before `I-`.

    `O` is in it even if no word has it: it is what is predicted of a word that the model does not see.
    """
    return (OUTSIDE, *sorted(set(tags) - {OUTSIDE}, key=_type_then_prefix))


def is_tag(tag: str) -> bool:
    """Whether a tag is one that entities are made of: `O`, `B-TYPE` or `I-TYPE`, where TYPE has nothing invisible."""
    return tag == OUTSIDE or (tag[:2] in ("B-", "I-") and len(tag) > 2 and tag.isprintable() and tag == tag.strip())


def check_declared(labels: Sequence[str]) -> None:
    """Refuse a declared label table that cannot be one: UserError with every problem."""
    twice = sorted({label for label in labels if labels.count(label) > 1})
    problems = [f"the label table holds `{label}` more than once" for label in twice]
    problems += [
        f"the label table holds `{label}`, which is none of `O`, `B-TYPE`, `I-TYPE`"
        for label in map(_shown, labels)
        if not is_tag(label)
    ]
    if OUTSIDE not in labels:
        problems.append("the label table lacks `O`, the label of a word that is in no entity")
    if problems:
        raise UserError(*problems[:-1], Problem(message=problems[-1], hint=WHOSE_LABELS))


def map_labels(student: Sequence[str], teacher: Sequence[str]) -> tuple[int, ...]:
    """Where each of the student's labels stands in the teacher's table: teacher_logits[..., permutation] is in the
    student's order. Tables with other names are a UserError that prints both.
    """
    if sorted(student) != sorted(teacher):
        raise UserError(
            Problem(
                message="the teacher does not know the same labels as the data\n"
                f"  data:    {_listed(student)}\n"
                f"  teacher: {_listed(teacher)}",
                hint=_difference(student, teacher),
            )
        )
    place = {label: index for index, label in enumerate(teacher)}
    return tuple(place[label] for label in student)


def _difference(student: Sequence[str], teacher: Sequence[str]) -> str:
    ours, theirs = sorted(set(student) - set(teacher)), sorted(set(teacher) - set(student))
    parts = [f"only in the data: {_listed(ours)}"] * bool(ours) + [f"only in the teacher: {_listed(theirs)}"] * bool(
        theirs
    )
    advice = 'take a teacher trained on these labels, or train one: `teacher.source = "target:teacher"`'
    if all(name.startswith("LABEL_") for name in teacher):
        advice = "its config.json does not say what its labels are called: write them there, as `id2label`"
    return "\n      ".join([*parts, advice])


def _shown(label: str) -> str:
    return label if label.isprintable() else ascii(label)


def _type_then_prefix(tag: str) -> tuple[str, str]:
    prefix, _, kind = tag.partition("-")
    return kind, prefix


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(labels) or "(none)"
