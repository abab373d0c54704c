"""What the report says, in its order: figures become words, tables and charts; `report.html` is where they stand."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparsebuild.pages import variants as comparison
from sparsebuild.pages import words
from sparsebuild.pages.charts import Series, bars, curves, heat
from sparsebuild.pages.variants import Candidate

__all__ = ["Built", "page", "place"]

_SENTENCES = 20
_MODELS = ("teacher", "student")  # of the evaluation, in this order; the exported file follows
_COLORS = 6  # of entities: .k0 …
_MOST_TYPES = 24  # in a chart; the table has all
_MOST_LAYERS = 150
_OUTSIDE = "O"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """All that the report tells of; documents as the steps left them."""

    project: str
    scheme: str
    start: str  # the source of the model that everything began from
    versions: Mapping[str, str]
    models: Mapping[str, Any]  # of metrics.json
    export: Mapping[str, Any]  # export.json
    gates: Sequence[Mapping[str, Any]]  # name, value (None: nothing to compare with), limit, holds
    history: Sequence[Mapping[str, float]]  # metrics.jsonl
    quantized_from: float | None = None  # epochs
    masked: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # parameter → zeros, size
    bench: Mapping[str, Any]
    words: Sequence[Sequence[str]]  # of the validation set
    answers: Sequence[Mapping[str, Sequence[str]]]  # gold, teacher, student: tags
    sources: Sequence[Mapping[str, Any]]
    lock: str  # sha256
    laid_over: Sequence[str]  # `--profile …`, `--set …`, as they were typed
    variant: str = ""  # that this is the report of
    candidates: Sequence[Candidate] = ()  # the project's own model and its variants, where it has some
    compared: Mapping[str, Any] = field(default_factory=dict)  # what was measured of these


def page(built: Built) -> str:
    """The whole report; every text is escaped where it is put in."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    here = Path(__file__).parent
    style = (here / "report.css").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, loader=FileSystemLoader(here), undefined=StrictUndefined, trim_blocks=False
    )
    facts = _facts(built)
    sections = [(name, title) for name, title in _SECTIONS if name not in _IF_ANY or facts[name]]
    return environment.get_template("report.html").render(
        style=words.safe(style), style_hash=_hash(style), sections=sections, **facts
    )


_SECTIONS = (
    ("gates", "Gates"),
    ("models", "Side by side"),
    ("types", "F1 per type"),
    ("curves", "Training"),
    ("sparsity", "Sparsity"),
    ("speed", "Size and speed"),
    ("network", "Network"),
    ("variants", "Variants"),
    ("mistakes", "Confusions"),
    ("sources", "Sources"),
    ("again", "Build it again"),
)
_IF_ANY = ("network", "variants")


def _facts(built: Built) -> dict[str, Any]:
    models = _models(built)
    return {
        "project": built.project,
        "summary": _summary(built),
        **_gates(built.gates),
        "model_names": list(models),
        "side_by_side": _side_by_side(models),
        "agreement": _agreement(built),
        "by_type": _by_type(models),
        "curves": _curves(built),
        "sparsity": _sparsity(built.masked),
        "speed": _speed(built.bench),
        "network": None if built.candidates else comparison.network(built.export),
        "variants": comparison.facts(built.candidates, built.compared, built.models.get("teacher")),
        "confusions": _confusions(built.answers),
        "differences": _differences(built),
        "sources": [_source(source) for source in built.sources],
        "again": _again(built),
    }


# ---- what was built, and the models side by side


def _models(built: Built) -> dict[str, Mapping[str, Any]]:
    found = {name: built.models[name] for name in _MODELS if name in built.models}
    return {**found, _exported(built): built.export}


def _exported(built: Built) -> str:
    return "ONNX" if built.scheme.startswith("fp") else "int8"


def _summary(built: Built) -> str:
    export = built.export
    size, compressed = (words.size(export[key]) for key in ("bytes", "bytes_zstd"))
    kind = f"an ONNX file, scheme {built.scheme}, of {size} ({compressed} compressed)"
    zeros = built.models["student"]["sparsity"]
    pruned = f", {words.share(zeros)} of the pruned layers' weights zero" if zeros else ""
    f1 = export["validation"]["f1"]
    return (
        f"A token classifier that began from {built.start}: {kind}{pruned}. Its F1 on the validation rows is {f1:.4f}."
    )


def _gates(gates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    shown = [{**g, "value": "not measured" if g["value"] is None else f"{g['value']:.4g}"} for g in gates]
    broken = sum(not g["holds"] for g in gates)
    if not gates:
        verdict = "sparse.toml asks for nothing in [gate]."
    elif broken:
        verdict = f"{broken} of {words.count(len(gates), 'gate')} {'does' if broken == 1 else 'do'} not hold"
    else:
        verdict = "The gate holds" if len(gates) == 1 else f"All {len(gates)} gates hold"
    return {"gates": shown, "holds": not broken, "verdict": verdict}


def _side_by_side(models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    rows = []
    for title, path, shown in _ROWS:
        values = [words.at(figures, path) for figures in models.values()]
        if any(value is not None for value in values):
            rows.append([title, *("" if value is None else shown(value) for value in values)])
    return {"heads": ["", *models], "rows": rows}


def _agreement(built: Built) -> str:
    return (
        f"The file and the trained model label {built.export['agreement'] * 100:.2f} % of the validation words alike."
    )


def _by_type(models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    scores = {name: figures["validation"]["by_type"] for name, figures in models.items()}
    support = {kind: score["support"] for kinds in scores.values() for kind, score in kinds.items()}
    kinds = sorted(support, key=lambda kind: (-support[kind], kind))
    drawn = kinds[:_MOST_TYPES]
    series = [
        Series(name=name, values=[_f1(of, kind) for kind in drawn], color=place)
        for place, (name, of) in enumerate(scores.items(), 1)
    ]
    told = f"{words.listed(drawn)}, by {words.listed(scores)}"
    about = f"Bars of F1 on the validation rows for {told}; the table has the values."
    rows = [[kind, support[kind], *(words.four(_f1(of, kind)) for of in scores.values())] for kind in kinds]
    chart = words.chart("F1 on the validation rows", bars("types-chart", about, drawn, series, "{:.2f}".format))
    return {"chart": chart, "heads": ["type", "entities", *scores], "rows": rows}


def _f1(scores: Mapping[str, Any], kind: str) -> float | None:
    return float(scores[kind]["f1"]) if kind in scores else None


# ---- training


def _curves(built: Built) -> dict[str, Any]:
    """A chart for each family of figures over the steps; what a line does not have is left out of its curve."""
    lines = [line for line in built.history if "step" in line]
    steps = [line["step"] for line in lines]
    start = _start_of_quantization(built, lines)
    marks = {} if start is None else {"QAT starts": start}
    charts = []
    for number, (title, names) in enumerate(_families(lines)):
        series = [
            Series(name=name, values=[line.get(name) for line in lines], color=place + 2)
            for place, name in enumerate(names)
        ]
        last = [f"{name} ends at {words.number(_last(one.values))}" for name, one in zip(names, series, strict=True)]
        about = f"{title} over {steps[-1]:.0f} steps: {'; '.join(last)}." + _said_start(start)
        svg = curves(f"curve-{number}", about, steps, series, marks, percent=names == ["sparsity"])
        charts.append(words.chart(f"{title}, over steps", svg))
    keys = list(dict.fromkeys(key for line in lines for key in line))
    rows = [[f"{line['step']:.0f}", *(words.number(line.get(key)) for key in keys if key != "step")] for line in lines]
    told = f"{words.count(len(lines), 'line')} of metrics.jsonl, up to step {steps[-1]:.0f}." if lines else ""
    return {
        "charts": charts,
        "about": told + _said_start(start),
        "heads": ["step", *(k for k in keys if k != "step")],
        "rows": rows,
    }


def _families(lines: Sequence[Mapping[str, float]]) -> Iterator[tuple[str, list[str]]]:
    """Losses together, then learning rate, sparsity and F1: as far as they were written."""
    there = list(dict.fromkeys(key for line in lines for key in line))
    losses = [key for key in there if "loss" in key]
    for start in range(0, len(losses), 3):  # more lines than that are hard to tell apart
        yield "Loss", losses[start : start + 3]
    for title, name in (("Learning rate", "learning_rate"), ("Sparsity", "sparsity"), ("F1, validation", "f1")):
        if name in there:
            yield title, [name]


def _start_of_quantization(built: Built, lines: Sequence[Mapping[str, float]]) -> float | None:
    """The step at which quantization begins; epochs and steps go at one pace."""
    ends = [line for line in lines if line.get("epoch")]
    if built.quantized_from is None or not ends:
        return None
    return max(built.quantized_from, 0.0) * ends[-1]["step"] / ends[-1]["epoch"]


def _said_start(start: float | None) -> str:
    return "" if start is None else f" Training with int8 rounding (QAT) starts at step {start:.0f}."


def _last(values: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(values) if value is not None), None)


# ---- sparsity


def _sparsity(masked: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    shares = {name: zeros / size for name, (zeros, size) in masked.items() if size}
    if not shares:
        return {"chart": None}
    places = {name: place(name) for name in list(shares)[:_MOST_LAYERS]}
    rows = sorted({row for row, _ in places.values()}, key=_natural)
    columns = list(dict.fromkeys(column for _, column in places.values()))
    values = {at: shares[name] for name, at in places.items()}
    ends = [which(shares, key=lambda name: shares[name]) for which in (min, max)]
    told = [f"{words.share(shares[name])} in {', '.join(place(name))}" for name in ends]
    matrices = words.count(len(shares), "pruned weight matrix", "pruned weight matrices")
    about = f"Zeros per cent of {matrices}, from {told[0]} to {told[1]}."
    chart = words.chart(
        "Zeros, per cent", heat("sparsity-chart", about, rows, columns, values), is_broad=len(columns) >= 9
    )
    table = [[n, f"{zeros:,}", f"{size:,}", words.share(zeros / size)] for n, (zeros, size) in masked.items() if size]
    return {"chart": chart, "about": about, "heads": ["weights", "zeros", "of", "share"], "rows": table}


_LAYER = re.compile(r"(?:^|\.)(?:layers?|block|h)\.(\d+)\.(.+)$")


def place(name: str) -> tuple[str, str]:
    """Row and column of a weight: `bert.encoder.layer.3.attention.self.query.weight` → layer 4, `attention.query`."""
    found = _LAYER.search(name)
    inner = (found[2] if found else name).removesuffix(".weight").removesuffix(".dense")
    inner = inner.replace(".self.", ".")
    return (f"layer {int(found[1]) + 1}" if found else "others"), inner


def _natural(text: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


# ---- size and speed


def _speed(bench: Mapping[str, Any]) -> dict[str, Any]:
    files = [file for file in bench["files"] if file["name"] != "zeros filled"]
    names = [file["name"] for file in files]
    about = "; ".join(f"{f['name']} {words.size(f['bytes'])}, by zstd {words.size(f['bytes_zstd'])}" for f in files)
    charts = []
    for said, key in (("Megabytes of the file", "bytes"), ("Megabytes compressed by zstd", "bytes_zstd")):
        weights = Series(name=said, values=[file[key] / 1e6 for file in files])
        svg = bars(f"size-{key.replace('_', '-')}", f"{said}: {about}.", names, [weights], "{:.1f}".format, ["export"])
        charts.append(words.chart(said, svg))
    charts += list(_latencies(bench["timings"]))
    threads = words.count(bench["threads"], "thread")
    rows = [
        [f"{t['model']} in {t['runtime']}", t["shape"], f"{t['median_ms']:.2f}", f"{t['p95_ms']:.2f}",
         f"{t['sentences_per_second']:,.1f}", f"{t['speedup']:.2f}" if "speedup" in t else ""]
        for t in bench["timings"]
    ]  # fmt: skip
    measured = f"Measured on {bench['cpu']}, {threads}, in turns in one run."
    return {
        "charts": charts,
        "about": f"{measured} Times are medians; shapes are sentences × pieces.",
        "said": [sentence.replace("`", "") for sentence in bench["said"]],
        "size_heads": ["file", "bytes", "by zstd", "zeros in layers", "memory, at most"],
        "size_rows": [
            [f["name"], f"{f['bytes']:,}", f"{f['bytes_zstd']:,}", words.share(f["zeros"]), _memory(bench, f["name"])]
            for f in files
        ],
        "heads": ["file", "shape", "median ms", "p95 ms", "sentences/s", "× dense fp32"],
        "rows": rows,
    }


def _memory(bench: Mapping[str, Any], name: str) -> str:
    return ", ".join(
        f"{words.size(one['bytes'])} in {one['runtime']}" for one in bench["memory"] if one["model"] == name
    )


def _latencies(timings: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, shape in enumerate(dict.fromkeys(t["shape"] for t in timings)):
        found = [t for t in timings if t["shape"] == shape and t["model"] != "zeros filled"]
        rows = [f"{t['model']}, {t['runtime']}" for t in found]
        is_real = shape == "sentences"
        title = "Milliseconds a real sentence" if is_real else f"Milliseconds a batch of {shape.replace('x', ' × ')}"
        about = (
            f"{title}: " + "; ".join(f"{row} {t['median_ms']:.2f}" for row, t in zip(rows, found, strict=True)) + "."
        )
        times = Series(name="median", values=[t["median_ms"] for t in found])
        strong = [row for row in rows if row.startswith("export,")]
        yield words.chart(title, bars(f"times-{number}", about, rows, [times], words.three, strong))


# ---- mistakes


def _confusions(answers: Sequence[Mapping[str, Sequence[str]]]) -> dict[str, Any]:
    counts = Counter(
        (_kind(true), _kind(said))
        for sentence in answers
        for true, said in zip(sentence["gold"], sentence["student"], strict=True)
    )
    kinds = sorted({kind for pair in counts for kind in pair}, key=lambda kind: (kind == _OUTSIDE, kind))
    rows = [
        {"name": _named(true), "cells": [_cell(true, said, counts[true, said]) for said in kinds]} for true in kinds
    ]
    return {"heads": [_named(kind) for kind in kinds], "rows": rows}


def _kind(tag: str) -> str:
    return tag.partition("-")[2] if tag[:2] in ("B-", "I-") else _OUTSIDE


def _named(kind: str) -> str:
    return "none" if kind == _OUTSIDE else kind


def _cell(true: str, said: str, count: int) -> dict[str, str]:
    style = "right" if true == said and count else "" if count else "zero"
    return {"text": f"{count:,}" if count else "·", "style": style}


def _differences(built: Built) -> dict[str, Any]:
    """Twenty sentences, spread evenly over all in which the two differ."""
    pairs = list(zip(built.words, built.answers, strict=True))
    found = [
        (number, words, said)
        for number, (words, said) in enumerate(pairs, 1)
        if "teacher" in said and said["teacher"] != said["student"]
    ]
    if not any("teacher" in said for said in built.answers):
        return {"total": None}
    step = max(len(found) / _SENTENCES, 1)
    chosen = [found[int(place * step)] for place in range(min(len(found), _SENTENCES))]
    tags = [tag for said in built.answers for tagging in said.values() for tag in tagging]
    colors = {kind: place % _COLORS for place, kind in enumerate(sorted({_kind(tag) for tag in tags} - {_OUTSIDE}))}
    shown = {"gold": "true", "teacher": "teacher", "student": "student"}
    sentences = [
        {"number": number, "taggings": [(shown[who], list(_parts(words, said[who], colors))) for who in shown]}
        for number, words, said in chosen
    ]
    of = f"Of {words.count(len(pairs), 'validation sentence')} they differ in {len(found)}"
    about = f"{of}; {len(chosen)} of these, evenly chosen." if len(found) > len(chosen) else f"{of}."
    return {"total": len(found), "about": about, "sentences": sentences}


def _parts(words: Sequence[str], tags: Sequence[str], colors: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """The words in stretches: entities, and what lies between them."""
    kinds, opens = [_kind(tag) for tag in tags], [tag.startswith("B-") for tag in tags]
    first = 0
    for place in range(1, len(words) + 1):
        if place == len(words) or kinds[place] != kinds[first] or (opens[place] and kinds[place] != _OUTSIDE):
            kind = "" if kinds[first] == _OUTSIDE else kinds[first]
            yield {"text": " ".join(words[first:place]), "kind": kind, "color": colors.get(kind, 0)}
            first = place


# ---- sources, and how to do it again


def _source(source: Mapping[str, Any]) -> dict[str, Any]:
    facts = [f"{name} {source[name]}" for name in ("version", "commit", "licence", "trust") if source.get(name)]
    files = [{"path": f["path"], "size": words.size(f["size"]), "sha256": f["sha256"]} for f in source["files"]]
    total = words.size(sum(f["size"] for f in source["files"]))
    count = f"{words.count(len(files), 'file')}, {total}"
    return {"name": source["name"], "request": source["request"], "facts": facts, "files": files, "count": count}


def _again(built: Built) -> dict[str, Any]:
    said = "".join(f" {word}" for word in built.laid_over)
    own = f"@{built.variant}" if built.variant else ""
    commands = [
        f"sparsebuild run{f' gate{own}' if own else ''} --locked{said}",
        f"sparsebuild run report{own} --locked{said}   # this page",
        f"sparsebuild verify --rebuild export{own}{said}   # builds the file a second time and compares the bytes",
    ]
    others = ", ".join(f"{name} {version}" for name, version in built.versions.items() if name != "sparsebuild")
    about = f"Built with {others}. Times are measured anew where the page is built anew; all else is the same bytes."
    return {
        "version": built.versions["sparsebuild"],
        "lock": built.lock,
        "but": ", without the recipes of other variants," if built.variant or built.candidates else "",
        "commands": commands,
        "about": about,
    }


def _hash(style: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"


_ROWS = (
    ("F1, validation", ("validation", "f1"), words.four),
    ("precision, validation", ("validation", "precision"), words.four),
    ("recall, validation", ("validation", "recall"), words.four),
    ("F1, test", ("test", "f1"), words.four),
    ("sparsity", ("sparsity",), words.share),
    ("size", ("bytes",), words.size),
    ("size, compressed by zstd", ("bytes_zstd",), words.size),
)
