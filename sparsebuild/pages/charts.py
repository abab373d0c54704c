"""Charts as SVG to stand inside a page: drawn by matplotlib, coloured by the page's own style sheet.

matplotlib is given colours that nobody would choose, and each becomes a variable of the style sheet, so that one chart
serves light and dark. Its `style` attributes become attributes of SVG, which a strict Content-Security-Policy allows.
The bytes depend on the values and on matplotlib alone: not on the user's settings, fonts or the time.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

__all__ = ["EXPORTED", "Point", "Series", "bars", "curves", "heat", "points", "shares", "standalone"]

SERIES = 4  # colours of the style sheet: --s1 …
EXPORTED = 3
_INK, _SOFT, _RULE = "#010101", "#020202", "#030303"
_SHADES = 11  # of the heat map: --h0 … --h10
_VARIABLES = {
    _INK: "var(--ink)",
    _SOFT: "var(--soft)",
    _RULE: "var(--rule)",
    **{f"#0a0a{n:02x}": f"var(--s{n})" for n in range(1, SERIES + 1)},
    **{f"#0b0b{n:02x}": f"var(--h{n})" for n in range(_SHADES)},
    "#0c0c00": "var(--on-light)",
    "#0c0c01": "var(--on-dark)",
}
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_LONGEST = 28  # characters of a label
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Numbers with a name; `color` counts from 1 and means the same in all charts of a page."""

    name: str
    values: Sequence[float | None]
    color: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A pair of figures with a name."""

    name: str
    x: float
    y: float
    color: int = 1


def curves(
    name: str,  # of the chart, unlike all others of the page
    about: str,  # what it shows, for who cannot see it
    x: Sequence[float],
    series: Sequence[Series],
    marks: Mapping[str, float],  # what begins where, such as quantization
    percent: bool = False,
) -> str:
    """Lines over steps."""

    def draw(axes: Any) -> None:
        for one in series:
            points = [(at, value) for at, value in zip(x, one.values, strict=True) if value is not None]
            style = {"marker": "o", "markersize": 3} if len(points) <= 20 else {}
            axes.plot(
                *zip(*points, strict=True), color=_color(one.color), linewidth=1.6, label=_label(one.name), **style
            )
        for said, at in marks.items():
            axes.axvline(at, color=_SOFT, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(said, (at, 1), (3, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
                          va="top", color=_SOFT, fontsize=8)  # fmt: skip
        axes.set_xlim(left=0)
        if percent:
            axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:g} %")
            axes.set_ylim(0, max(1e-9, *(v for one in series for v in one.values if v is not None)) * 1.12)
        if len(series) > 1:
            _legend_above(axes, columns=2)

    return _svg(name, about, (3.6, 2.1), draw)


def bars(
    name: str,
    about: str,
    rows: Sequence[str],
    series: Sequence[Series],
    shown: Callable[[float], str],
    strong: Collection[str] = (),  # rows that are drawn in the colour of what was exported
) -> str:
    """Horizontal bars, a group for each row, the value at the end of each."""
    count = len(series)

    def draw(axes: Any) -> None:
        height = 0.8 / count
        for place, one in enumerate(series):
            for row, value in enumerate(one.values):
                if value is not None:
                    at = row + (place - (count - 1) / 2) * height
                    color = EXPORTED if rows[row] in strong else one.color
                    axes.barh(at, value, height * 0.86, color=_color(color))
                    axes.annotate(shown(value), (value, at), (3, 0), textcoords="offset points", va="center",
                                  color=_INK, fontsize=8)  # fmt: skip
        axes.set_yticks(range(len(rows)), [_label(row) for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.margins(x=0.2)
        axes.xaxis.set_visible(False)
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(axis="y", length=0)

    return _svg(name, about, (3.6, max(0.24 * count * len(rows) + 0.25 * len(rows), 0.6)), draw)


def heat(
    name: str,
    about: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Mapping[tuple[str, str], float],  # 0 to 1
) -> str:
    """Shares as shaded cells, with the number in each; a cell without a value is empty."""

    def draw(axes: Any) -> None:
        for y, row in enumerate(rows):
            for x, column in enumerate(columns):
                if (value := values.get((row, column))) is None:
                    continue
                shade = round(value * (_SHADES - 1))
                axes.barh(y, 0.94, 0.9, left=x - 0.47, color=f"#0b0b{shade:02x}")
                ink = "#0c0c01" if shade >= 6 else "#0c0c00"
                axes.text(x, y, f"{value * 100:.0f}", ha="center", va="center", color=ink, fontsize=8)
        axes.set_xticks(
            range(len(columns)), [_label(c) for c in columns], rotation=30, ha="left", rotation_mode="anchor"
        )
        axes.set_yticks(range(len(rows)), [_label(row) for row in rows])
        axes.xaxis.tick_top()
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    return _svg(name, about, (3.6 if len(columns) < 9 else 7.2, 0.24 * len(rows) + 0.6), draw)


def points(
    name: str,
    about: str,
    found: Sequence[Point],
    marks: Mapping[str, float],  # values of x that have no y, drawn as lines
) -> str:
    """One figure over another, each point with its name beside it."""

    def draw(axes: Any) -> None:
        xs, ys = [*(p.x for p in found), *marks.values()], [p.y for p in found]
        right, margin = max(xs) * 1.15 or 1.0, (max(ys) - min(ys)) * 0.2 or 0.01
        axes.set_xlim(0, right)
        axes.set_ylim(min(ys) - margin, max(ys) + margin)
        low, high = axes.get_ylim()
        for said, at in marks.items():
            axes.axvline(at, color=_SOFT, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(said, (at, 1), (-3, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
                          va="top", ha="right", color=_SOFT, fontsize=8)  # fmt: skip
        places = [(p.x / right, (p.y - low) / (high - low)) for p in found]
        for point, (dx, dy) in zip(found, _beside(found, places), strict=True):
            axes.plot(point.x, point.y, "o", color=_color(point.color), markersize=6)
            line = {
                "arrowstyle": "-",
                "color": _SOFT,
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 3,
                "relpos": (dx < 0, 0.5),
            }
            axes.annotate(_label(point.name), (point.x, point.y), (dx, dy), textcoords="offset points", va="center",
                          ha="left" if dx > 0 else "right" if dx < 0 else "center", color=_INK, fontsize=8,
                          arrowprops=line if dy else None)  # fmt: skip

    return _svg(name, about, (3.6, 2.6), draw)


def _beside(found: Sequence[Point], places: Sequence[tuple[float, float]]) -> Sequence[tuple[int, int]]:
    """Where to write the name of each point, in points of type from it, so that it covers no other.

    `places` are the points as shares of the axes. Where all around is taken, the name stands at the usual place.
    """
    across, up = 0.0045, 0.0068  # shares of the axes that a point of type is
    dots = [(x - 4 * across, x + 4 * across, y - 4 * up, y + 4 * up) for x, y in places]
    names: dict[int, tuple[float, ...]] = {}
    chosen: dict[int, tuple[int, int]] = {}
    for number in sorted(range(len(places)), key=lambda place: -places[place][1]):
        x, y = places[number]
        width = len(_label(found[number].name)) * 4.6 * across
        boxes = {}
        for dx, dy in _AROUND:
            left = x + dx * across - (width if dx < 0 else width / 2 if dx == 0 else 0)
            boxes[dx, dy] = (left, left + width, y + (dy - 4.5) * up, y + (dy + 4.5) * up)
        others = [*names.values(), *(dot for place, dot in enumerate(dots) if place != number)]
        free = (at for at, box in boxes.items() if _is_inside(box) and not any(_cover(box, other) for other in others))
        chosen[number] = next(free, (-7, 0) if x > 0.6 else (7, 0))
        names[number] = boxes[chosen[number]]
    return [chosen[number] for number in range(len(places))]


_AROUND = (
    *((7, 0), (-7, 0), (0, 9), (0, -9)),
    *((side, rise) for far in (9, 18, 27) for side in (7, -7) for rise in (far, -far)),
)


def _is_inside(box: tuple[float, ...]) -> bool:
    return box[0] >= 0 and box[1] <= 1 and box[2] >= 0 and box[3] <= 1


def _cover(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


def shares(
    name: str,
    about: str,
    rows: Sequence[str],
    series: Sequence[Series],  # 0 to 1
    said: Sequence[Sequence[str]],  # of each series, beside its bars
) -> str:
    """What is left of a whole: bars inside of pale ones, a group for each row."""
    count = len(series)

    def draw(axes: Any) -> None:
        height = 0.8 / count
        for place, (one, words) in enumerate(zip(series, said, strict=True)):
            at = [row + (place - (count - 1) / 2) * height for row in range(len(rows))]
            values = [value or 0.0 for value in one.values]
            axes.barh(at, [1.0] * len(rows), height * 0.86, color=_RULE)
            axes.barh(at, values, height * 0.86, color=_color(one.color), label=_label(one.name))
            for where, word in zip(at, words, strict=True):
                axes.annotate(word, (1, where), (3, 0), textcoords="offset points", va="center", color=_INK,
                              fontsize=7)  # fmt: skip
        axes.set_yticks(range(len(rows)), [_label(row) for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, 1.45)
        axes.xaxis.set_visible(False)
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        _legend_above(axes, columns=count)

    return _svg(name, about, (3.6, 0.13 * count * len(rows) + 0.08 * len(rows) + 0.4), draw)


def _legend_above(axes: Any, columns: int) -> None:
    """Outside of the drawing, so that it lies on no line or bar."""
    axes.legend(frameon=False, fontsize=8, labelcolor=_INK, ncol=columns, loc="lower left", bbox_to_anchor=(0, 1))


def standalone(svg: str) -> str:
    """A chart for a file of its own, which brings the colours of the style sheet with it."""
    style = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    colours = style[: style.index("* {")]
    body = "svg { background: var(--paper); font-family: system-ui, sans-serif; }"
    return svg.replace("<svg ", f'<svg xmlns="{_SVG}" ', 1).replace(
        "<title", f"<style>{colours}{body}</style><title", 1
    )


def _color(number: int) -> str:
    return f"#0a0a{(number - 1) % SERIES + 1:02x}"


def _label(text: str) -> str:
    text = " ".join(_NOT_XML.sub("\ufffd", text).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _svg(name: str, about: str, size: tuple[float, float], draw: Callable[[Any], None]) -> str:
    """What `draw` does to a pair of axes of `size`, in inches, as an element of a page."""
    from matplotlib.figure import Figure

    with _plain_matplotlib(name):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        axes.set_axisbelow(True)
        draw(axes)
        written = io.StringIO()
        figure.savefig(
            written, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    return _inlined(written.getvalue(), name, about)


@contextlib.contextmanager
def _plain_matplotlib(salt: str) -> Iterator[None]:
    """matplotlib as it is by itself, and with its own fonts alone."""
    import matplotlib
    from matplotlib import font_manager

    manager = font_manager.fontManager
    known = manager.ttflist
    own = matplotlib.get_data_path()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of signs that its font lacks: the browser's has them
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_STYLE, "svg.hashsalt": salt})
        manager.ttflist = [font for font in known if font.fname.startswith(own)]
        try:
            yield
        finally:
            manager.ttflist = known


_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _RULE,
    "grid.linewidth": 0.6,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.formatter.useoffset": False,
}


def _inlined(svg: str, name: str, about: str) -> str:
    """The drawing for a page: names of its own, colours of the style sheet, and words for who cannot see it."""
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for key, value in _attributes(element):
            element.set(key, value)
        _own_names(element, name)
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib |= {"viewBox": box, "role": "img", "aria-labelledby": f"{name}-title", "class": "chart"}
    root.attrib |= {"stroke-linejoin": "round"}
    title = ElementTree.Element(f"{{{_SVG}}}title", {"id": f"{name}-title"})
    title.text = _NOT_XML.sub("\ufffd", about)
    root.insert(0, title)
    ElementTree.register_namespace("", _SVG)
    text = ElementTree.tostring(root, encoding="unicode")
    return text.replace(f' xmlns="{_SVG}"', "", 1).replace(f' xmlns:xlink="{_XLINK}"', "")


def _attributes(element: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """The declarations of `style` that an attribute can say; the font is the page's."""
    for declared in (element.attrib.pop("style", "")).split(";"):
        key, _, value = declared.partition(":")
        key, value = key.strip(), value.strip()
        if key and key != "font-family":
            yield key, _VARIABLES.get(value, value)


def _own_names(element: ElementTree.Element, name: str) -> None:
    """`id`s are one space for a whole page; those that nothing points to go."""
    identity = element.attrib.pop("id", "")
    if identity and element.tag in (f"{{{_SVG}}}path", f"{{{_SVG}}}clipPath"):
        element.set("id", f"{name}-{identity}")
    if target := element.attrib.pop(f"{{{_XLINK}}}href", ""):
        element.set("href", f"#{name}-{target[1:]}")
    if clip := element.get("clip-path", ""):
        element.set("clip-path", clip.replace("url(#", f"url(#{name}-"))
