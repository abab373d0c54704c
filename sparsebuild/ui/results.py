"""What a build came to: teacher, student and the exported file side by side, the gates, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from rich import box
from rich.table import Table
from rich.text import Text

from sparsebuild.ui.figures import share, size
from sparsebuild.ui.terminal import console, words

__all__ = ["show", "show_places"]

Documents = Mapping[str, Mapping[str, Any]]  # "metrics", "export" and "gate", as the targets wrote them

_ROWS: tuple[tuple[str, tuple[str, ...], Callable[[Any], str]], ...] = (
    ("F1, validation", ("validation", "f1"), "{:.4f}".format),
    ("F1, test", ("test", "f1"), "{:.4f}".format),
    ("sparsity", ("sparsity",), share),
    ("size", ("bytes",), size),
    ("size, compressed", ("bytes_zstd",), size),
)


def show(documents: Documents, stream: TextIO) -> None:
    """Write what was measured; nothing for what was not."""
    out = console(stream)
    models = _models(documents)
    if models:
        out.print(_side_by_side(models))
    agreement = documents.get("export", {}).get("agreement")
    if agreement is not None:
        out.print(Text(f"The exported file and the trained model label {agreement * 100:.2f} % of the words alike."))
    gates = documents.get("gate", {}).get("gates", ())
    if gates:
        out.print(_gates(gates))


def show_places(places: Mapping[str, str], commands: Sequence[str], stream: TextIO) -> None:
    """Write where the files lie and what to type next."""
    table = Table.grid(padding=(0, 2))
    for what, path in places.items():
        table.add_row(words(what), words(path, "bold"))
    for number, command in enumerate(commands):
        table.add_row("" if number else "next", words(command, "cyan"))
    console(stream).print(table)


def _models(documents: Documents) -> dict[str, Mapping[str, Any]]:
    """Heading to figures: the models as they were evaluated, then the file that was exported from the last."""
    models = dict(documents.get("metrics", {}).get("models", {}))
    export = documents.get("export")
    if export:
        models["ONNX" if export.get("scheme") == "fp32" else "int8"] = export
    return models


def _side_by_side(models: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in models:
        table.add_column(words(name), justify="right")
    for title, path, shown in _ROWS:
        values = [_at(figures, path) for figures in models.values()]
        if any(value is not None for value in values):
            table.add_row(title, *("" if value is None else shown(value) for value in values))
    return table


def _gates(gates: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, justify in (("", "left"), ("gate", "left"), ("value", "right"), ("must be", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # a Literal is lost in the tuple
    for gate in gates:
        sign = Text("✓", "green") if gate["holds"] else Text("✗", "bold red")
        table.add_row(sign, words(str(gate["name"])), f"{gate['value']:.4g}", words(str(gate["limit"])))
    return table


def _at(figures: Any, path: Sequence[str]) -> Any:
    for key in path:
        figures = figures.get(key) if isinstance(figures, Mapping) else None
    return figures
