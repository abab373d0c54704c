"""The models of one project beside each other: F1 against time and bytes, and what was taken out of each network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sparsebuild.pages import words
from sparsebuild.pages.charts import EXPORTED, Point, Series, points, shares

__all__ = ["Candidate", "Shape", "facts", "network"]

_DENSE, _TEACHER = "dense fp32", "teacher fp32"  # as `bench` calls its files
_MOST_LAYERS = 48  # in a drawing
_HEADS, _NEURONS = 2, 4  # colours


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a network was, and what is left of it; of layers how many, as those that are left are renumbered."""

    whole_layers: int
    heads: int  # of a dense layer
    neurons: int  # between its two feed-forward matrices
    layers: Sequence[tuple[int, int]]  # heads and neurons of each layer that is left

    @classmethod
    def cut_out_of(cls, dense: Mapping[str, int], layers: Iterable[Mapping[str, int]]) -> Self:
        """As `structure.json` and `export.json` tell it: the dense network, and what each layer is left with."""
        left = [(layer["heads"], layer["neurons"]) for layer in layers]
        return cls(whole_layers=dense["layers"], heads=dense["heads"], neurons=dense["neurons"], layers=left)

    @property
    def whole(self) -> tuple[int, int, int]:
        return self.whole_layers, self.heads, self.neurons

    @property
    def is_whole(self) -> bool:
        return list(self.layers) == [(self.heads, self.neurons)] * self.whole_layers

    @property
    def left(self) -> tuple[int, int, int]:
        """Layers, heads and neurons that are left."""
        return len(self.layers), sum(heads for heads, _ in self.layers), sum(neurons for _, neurons in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of the models; `name` is also that of its file where it was measured."""

    name: str
    export: Mapping[str, Any]  # export.json
    shape: Shape | None  # None for an architecture of which it is not known


def facts(
    candidates: Sequence[Candidate], compared: Mapping[str, Any], teacher: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """What the section says; None where there is nothing to compare."""
    if not candidates:
        return None
    runtime, shape = compared["headline"]["runtime"], compared["headline"]["shape"]
    times = {t["model"]: t for t in compared["timings"] if (t["runtime"], t["shape"]) == (runtime, shape)}
    sizes = {file["name"]: file for file in compared["files"]}
    reference = _TEACHER if _TEACHER in sizes else _DENSE
    scores = {one.name: one.export["validation"]["f1"] for one in candidates}
    if teacher:
        scores[reference] = teacher["validation"]["f1"]
    milliseconds = {name: row["median_ms"] for name, row in times.items()}
    megabytes = {name: file["bytes"] / 1e6 for name, file in sizes.items()}
    title = f"milliseconds a batch of {shape.replace('x', ' × ')}, {runtime}"
    return {
        "about": _about(compared, runtime, shape, len(candidates)),
        "charts": [
            *_against("variants-time", title, scores, milliseconds, reference),
            *_against("variants-size", "megabytes of the file", scores, megabytes, reference),
        ],
        **_table(candidates, times, sizes, reference, teacher),
        **_shapes(candidates),
    }


def network(export: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is left of the network of the one model of a project; None where nothing was cut out of it."""
    if "cut" not in export:
        return None
    shape = Shape.cut_out_of(export["cut"]["dense"], export["cut"]["layers"].values())
    return _shapes([Candidate(name="model", export=export, shape=shape)])


def _about(compared: Mapping[str, Any], runtime: str, shape: str, number: int) -> str:
    threads = words.count(compared["threads"], "thread")
    return (
        f"{words.count(number, 'exported file')} of one project, timed in turns in one run on {compared['cpu']}, "
        f"{threads}: medians in {runtime} at {shape.replace('x', ' × ')}. F1 is each file's on the validation rows."
    )


def _against(
    name: str, title: str, scores: Mapping[str, float], figures: Mapping[str, float], reference: str
) -> Iterator[dict[str, Any]]:
    """F1 over a figure; nothing where that was not measured. A dense model without a score is a line alone."""
    known = [one for one in scores if one in figures]
    drawn = [Point(name=one, x=figures[one], y=scores[one], color=1 if one == reference else EXPORTED) for one in known]
    if not drawn:
        return
    marks = {reference: figures[reference]} if reference in figures and reference not in scores else {}
    told = "; ".join(f"{one} {scores[one]:.4f} at {words.three(figures[one])}" for one in known)
    about = f"F1 over {title}: {told}." + "".join(f" {one} is at {words.three(x)}." for one, x in marks.items())
    yield words.chart(f"F1 over {title}", points(name, about, drawn, marks))


def _table(
    candidates: Sequence[Candidate],
    times: Mapping[str, Any],
    sizes: Mapping[str, Any],
    reference: str,
    teacher: Mapping[str, Any] | None,
) -> dict[str, Any]:
    has_test = any("test" in one.export for one in candidates)
    rows = [_row(one.name, one.export, times, sizes, _left(one.shape), has_test) for one in candidates]
    rows.append(_row(reference, teacher or {}, times, sizes, "", has_test))
    test = ["F1, test"] if has_test else []
    return {
        "heads": ["", "F1, validation", *test, "median ms", "× dense fp32", "size", "size by zstd", "what is left"],
        "rows": rows,
    }


def _row(
    name: str,
    scored: Mapping[str, Any],
    times: Mapping[str, Any],
    sizes: Mapping[str, Any],
    left: str,
    has_test: bool,
) -> list[str]:
    time, file = times.get(name, {}), sizes.get(name, {})
    return [
        name,
        words.four(words.at(scored, ("validation", "f1"))),
        *([words.four(words.at(scored, ("test", "f1")))] if has_test else []),
        f"{time['median_ms']:.2f}" if time else "",
        f"{time['speedup']:.2f}" if "speedup" in time else "",
        *(words.size(file[key]) if file else "" for key in ("bytes", "bytes_zstd")),
        left,
    ]


# ---- shapes


def _left(shape: Shape | None) -> str:
    if shape is None:
        return "not known"
    if shape.is_whole:
        return "all"
    layers, heads, neurons = shape.left
    of = shape.whole_layers
    told = [f"{layers} of {words.count(of, 'layer')}"] if layers < of else []
    told += [f"{heads} of {of * shape.heads} heads", f"{neurons:,} of {of * shape.neurons:,} neurons"]
    return ", ".join(told)


def _shapes(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """A drawing for each network of which something was taken out, and the numbers of them all."""
    known = {one.name: one.shape for one in candidates if one.shape}
    cut = {name: shape for name, shape in known.items() if not shape.is_whole}
    rows = [row for name, shape in known.items() for row in _layers(name, shape)]
    whole = [name for name in known if name not in cut]
    told = f"Nothing was taken out of the network of {words.listed(whole)}: " if whole else ""
    dense = next((shape for name, shape in known.items() if name in whole), None)
    if dense:
        told += (
            f"{words.count(dense.whole_layers, 'layer')} of {words.count(dense.heads, 'head')} "
            f"and {words.count(dense.neurons, 'neuron')} each."
        )
    return {
        "shapes": [_drawing(number, name, shape) for number, (name, shape) in enumerate(cut.items())],
        "shapes_about": told,
        "shape_heads": ["model, layer", "heads", "of", "neurons", "of"],
        "shape_rows": rows if cut else [],
    }


def _drawing(number: int, name: str, shape: Shape) -> dict[str, Any]:
    drawn, gone = shape.layers[:_MOST_LAYERS], shape.whole_layers - len(shape.layers)
    rows = [*(f"layer {place}" for place in range(1, len(drawn) + 1)), *([_gone(gone)] if gone else [])]
    kept = [*drawn, *([(0, 0)] if gone else [])]
    series = [
        Series(name="heads", values=[heads / shape.heads for heads, _ in kept], color=_HEADS),
        Series(name="neurons", values=[neurons / shape.neurons for _, neurons in kept], color=_NEURONS),
    ]
    said = [
        [f"{heads} of {shape.heads}" if heads else "" for heads, _ in kept],
        [f"{neurons:,} of {shape.neurons:,}" if neurons else "" for _, neurons in kept],
    ]
    layers = [f"layer {place} has {heads} and {neurons:,}" for place, (heads, neurons) in enumerate(shape.layers, 1)]
    about = (
        f"Of {shape.heads} heads and {shape.neurons:,} neurons that each layer of {name} had, "
        f"{', '.join(layers)}{f'; {_gone(gone)}' if gone else ''}."
    )
    return words.chart(f"{name}: {_left(shape)}", shares(f"shape-{number}", about, rows, series, said))


def _gone(count: int) -> str:
    return f"{words.count(count, 'layer')} {'is' if count == 1 else 'are'} gone"


def _layers(name: str, shape: Shape) -> Iterator[list[str]]:
    for place, (heads, neurons) in enumerate(shape.layers, 1):
        yield [f"{name}, {place}", f"{heads}", f"{shape.heads}", f"{neurons:,}", f"{shape.neurons:,}"]
