"""What a build came to: teacher, student and the exported file side by side, the gates, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from sparsebuild.exporters import FLOATS
from sparsebuild.layout import NO_VARIANT
from sparsebuild.ui import table
from sparsebuild.ui.figures import share, size
from sparsebuild.ui.table import Cell

__all__ = ["show", "show_places", "show_variants"]

Documents = Mapping[
    str, Mapping[str, Any]
]  # "metrics", "export", "gate", "bench", "compare", as the targets wrote them

_ROWS: tuple[tuple[str, tuple[str, ...], Callable[[Any], str]], ...] = (
    ("F1, validation", ("validation", "f1"), "{:.4f}".format),
    ("F1, test", ("test", "f1"), "{:.4f}".format),
    ("sparsity", ("sparsity",), share),
    ("size", ("bytes",), size),
    ("size, compressed", ("bytes_zstd",), size),
)


def show(documents: Documents, stream: TextIO) -> None:
    """Write what was measured; nothing for what was not."""
    models = _models(documents)
    if models:
        stream.write("\n")
        _side_by_side(models, stream)
    agreement = _number(documents.get("export", {}).get("agreement"))
    if agreement is not None:
        told = f"The exported file and the trained model label {agreement * 100:.2f} % of the words alike."
        stream.write(f"\n{told}\n")
    gates = [gate for gate in _list(documents.get("gate", {}).get("gates")) if _is_gate(gate)]
    if gates:
        stream.write("\n")
        _gates(gates, stream)
    for name in ("bench", "compare"):
        if measured := documents.get(name):
            from sparsebuild.ui import bench as drawing

            stream.write("\n")
            drawing.show(measured, stream)


def show_variants(models: Mapping[str, Documents], stream: TextIO) -> None:
    """Write a row for each exported file, by its variant; "" is the project's own model. Nothing for none."""
    exports = {name or NO_VARIANT: documents["export"] for name, documents in models.items() if "export" in documents}
    if not exports:
        return
    figures = {name: [_number(_at(export, path)) for _, path, _ in _ROWS] for name, export in exports.items()}
    known = [place for place in range(len(_ROWS)) if any(values[place] is not None for values in figures.values())]
    rows: list[Sequence[str | Cell]] = [
        (Cell(name, "bold"), *("" if values[k] is None else _ROWS[k][2](values[k]) for k in known))
        for name, values in figures.items()
    ]
    stream.write("\n")
    heads = ("exported file of", *(_ROWS[place][0] for place in known))
    table.write(rows, stream, heads=heads, right=range(1, len(heads)))


def show_places(places: Mapping[str, str], commands: Sequence[str], stream: TextIO) -> None:
    """Write where the files lie and what to type next."""
    rows = [(what, Cell(path, "bold")) for what, path in places.items()]
    rows += [("" if number else "next", Cell(command, "cyan")) for number, command in enumerate(commands)]
    stream.write("\n")
    table.write(rows, stream)


def _models(documents: Documents) -> dict[str, Mapping[str, Any]]:
    """Heading to figures: the models as they were evaluated, then the file that was exported from the last."""
    evaluated = documents.get("metrics", {}).get("models")
    models = dict(evaluated) if isinstance(evaluated, Mapping) else {}
    export = documents.get("export")
    if export:
        models["ONNX" if export.get("scheme") in FLOATS else "int8"] = export
    return models


def _side_by_side(models: Mapping[str, Mapping[str, Any]], stream: TextIO) -> None:
    rows = []
    for title, path, shown in _ROWS:
        values = [_number(_at(figures, path)) for figures in models.values()]
        if any(value is not None for value in values):
            rows.append((title, *("" if value is None else shown(value) for value in values)))
    table.write(rows, stream, heads=("", *models), right=range(1, len(models) + 1))


def _gates(gates: Sequence[Mapping[str, Any]], stream: TextIO) -> None:
    rows = []
    for gate in gates:
        sign = Cell("✓", "green") if gate["holds"] else Cell("✗", "bold red")
        rows.append((sign, str(gate["name"]), f"{gate['value']:.4g}", str(gate["limit"])))
    table.write(rows, stream, heads=("", "gate", "value", "must be"), right=(2,))


def _is_gate(gate: Any) -> bool:
    """Whether it is one as we write it: the file may be a stranger's."""
    is_whole = isinstance(gate, Mapping) and {"name", "limit", "holds"} <= gate.keys()
    return is_whole and _number(gate.get("value")) is not None


def _number(value: Any) -> float | None:
    """`value`, if it is a number that can be shown."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30
    return value if is_number else None


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _at(figures: Any, path: Sequence[str]) -> Any:
    for key in path:
        figures = figures.get(key) if isinstance(figures, Mapping) else None
    return figures
