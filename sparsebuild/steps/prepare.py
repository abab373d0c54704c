"""The step `prepare`: the user's rows become numbers that a model reads, checked and written once.

Inputs: `tokenizer`, the model's folder; `data.train`, `data.validation` and, if there are any, `data.test` and
`data.unlabelled`: a file, or a folder of files. Where the teacher comes from elsewhere than the tokenizer, `teacher`,
which is trained already, or `teacher.train`, from which it is to be trained: whether it can serve is told here.
Params, left out where they have their default: `task`, and of `[data]` what SETTINGS lists; `tables`: the split -> the
label table of its own dataset, where that is not `labels`; and `names`: the input's name -> its source as the user
wrote it, or a list of them. Names appear in messages, never in outputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsebuild.engine.job import Job, Report
    from sparsebuild.tasks.base import Request
    from sparsebuild.tasks.holdout import Holdout
    from sparsebuild.tasks.rows import DataFile

__all__ = ["SETTINGS", "run"]

# Of [data]; other keys say where rows come from, or are for other steps.
SETTINGS = (
    "format",
    "label_column",
    "labels",
    "max_eval_samples",
    "max_length",
    "max_predict_samples",
    "max_train_samples",
    "text_column",
    "validation_fraction",
    "validation_seed",
)

_MOST = {"train": "max_train_samples", "validation": "max_eval_samples", "test": "max_predict_samples"}


def run(job: Job, report: Report) -> None:
    """Prepare all splits under `job.out`; raises one DataError for all rows that are wrong."""
    from sparsebuild.tasks import task
    from sparsebuild.tasks.base import Teller
    from sparsebuild.tasks.teachers import check_labels_known, check_reads_the_same

    request = _request(job)
    for teacher in (job.inputs[name] for name in ("teacher", "teacher.train") if name in job.inputs):
        check_reads_the_same(teacher, request.tokenizer, request.max_length)
    tell = Teller(
        say=report.log,
        warn=lambda message: report.log(message, level="warning"),
        progress=lambda read, total, sentences: report.progress(read, total, "bytes", sentences=sentences),
    )
    task(str(job.params.get("task", "token-classification"))).prepare(request, job.out, tell)
    if "teacher" in job.inputs:
        check_labels_known(job.inputs["teacher"], json.loads((job.out / "labels.json").read_text()))


def _request(job: Job) -> Request:
    from sparsebuild.tasks.base import SPLITS, Request

    params: Mapping[str, Any] = job.params
    files = {split: _files(f"data.{split}", job) for split in SPLITS if f"data.{split}" in job.inputs}
    given = {key: params[key] for key in ("text_column", "label_column", "labels", "max_length") if key in params}
    return Request(
        files=files,
        holdout=_holdout(params),
        most={split: params[key] for split, key in _MOST.items() if key in params},
        tokenizer=job.inputs["tokenizer"],
        **given,
    )


def _holdout(params: Mapping[str, Any]) -> Holdout | None:
    from sparsebuild.tasks.holdout import Holdout

    seed = {"seed": params["validation_seed"]} if "validation_seed" in params else {}
    return Holdout(fraction=params["validation_fraction"], **seed) if "validation_fraction" in params else None


def _files(name: str, job: Job) -> list[DataFile]:
    """The files of an input in the order of their paths, which is the same everywhere."""
    from sparsebuild.tasks.rows import DataFile

    params: Mapping[str, Any] = job.params
    folder, given = job.inputs[name], params.get("names", {}).get(name, [])
    table = params.get("tables", {}).get(name.removeprefix("data."), ())
    paths = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        DataFile(
            path=path,
            name=_known_as(path, folder, [given] if isinstance(given, str) else given),
            format=params.get("format", ""),
            table=tuple(table),
        )
        for path in paths
    ]


def _known_as(path: Path, folder: Path, sources: list[str]) -> str:
    """A file as the user wrote it in `sparse.toml`, or below the folder that was written."""
    below = path.name if path == folder else path.relative_to(folder).as_posix()
    written = [_without_query(source) for source in sources]
    exact = [name for name in written if f"/{name}".endswith((f"/{below}", f"#{below}"))]
    if exact or len(written) != 1:
        return exact[0] if exact else below
    parts = PurePosixPath(written[0]).parts
    if _is_pattern_of(path.name, sources[0]):
        parts = tuple(takewhile(lambda part: not set(part) & set("*?["), parts))
    return PurePosixPath(*parts, below).as_posix()


def _without_query(source: str) -> str:
    """A source without its scheme, and an address without what it asks for behind a `?`."""
    from sparsebuild.manifest.sources import split_source

    scheme, rest = split_source(source)
    address, mark, inner = rest.partition("#")
    return rest if scheme == "file" else address.partition("?")[0] + mark + inner


def _is_pattern_of(name: str, source: str) -> bool:
    """Whether a source is a pattern that a file of this name matches, and no folder whose name has such signs."""
    from sparsebuild.manifest.sources import split_source

    scheme, rest = split_source(source)
    last = rest.rpartition("/")[2]
    return scheme == "file" and bool(set(rest) & set("*?[")) and (last == "**" or fnmatchcase(name, last))
