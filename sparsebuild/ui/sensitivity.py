"""Layers by what pruning or quantizing each alone does, and the lines of a recipe that leave the worst out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from sparsebuild.ui import table
from sparsebuild.ui.figures import count, share
from sparsebuild.ui.inert import inert
from sparsebuild.ui.table import Cell

__all__ = ["show"]

_BAR = 12  # characters


def show(found: Mapping[str, Any], plots: Sequence[str], stream: TextIO) -> None:
    """Write a ranked table for each way, and what to write into the recipe."""
    start = f"{found['model']}, F1 {found['f1']:.4f} on {count(found['sentences'], 'validation sentence')}"
    stream.write(f"Each layer alone, from {start}. How far answers move, in thousandths of a nat a word:\n")
    ways = {"prune": f"pruned, {share(found['share'])} of what is left", "quantize": "quantized to int8"}
    for way, about in ways.items():
        ranked = sorted((one for one in found["layers"] if way in one), key=lambda one: -one[way]["shift"])
        most = ranked[0][way]["shift"] if ranked else 0.0
        rows = [(one["name"], _bar(one[way]["shift"], most), *_figures(one[way])) for one in ranked]
        stream.write("\n")
        if rows:
            table.write(rows, stream, heads=(about, "", "moves", "F1 by", "sparsity"), right=(2, 3))
    modifiers = {"prune": "the pruning modifier", "quantize": "the QuantizationModifier"}
    for way, where in modifiers.items():
        stream.write(f"\nTo leave out the worst Linears, write in {where} of the recipe:\n\n")
        stream.write("".join(f"      {inert(line)}\n" for line in found["recipe"][way]))
    stream.write(_on_tables(found["layers"]))
    stream.write("\n")
    table.write([("" if number else "plots", Cell(path, "bold")) for number, path in enumerate(plots)], stream)


def _on_tables(layers: Sequence[Mapping[str, Any]]) -> str:
    """What to write where rounding a table of embeddings hurts most; tables are what is not pruned."""
    if "prune" in max(layers, key=lambda one: one["quantize"]["shift"]):
        return ""
    return (
        "\nA table of embeddings is worse than any of them. Tables are quantized all or none, wherever they lie; to\n"
        "leave them out too, at four times their size, add:\n\n      quantize_embeddings: false\n"
    )


def _bar(value: float, most: float) -> Cell:
    return Cell("█" * max(round(value / most * _BAR), 1) if most else "", "cyan")


def _figures(effect: Mapping[str, float]) -> tuple[str, str, str]:
    zeros = f"{share(effect['sparsity_before'])} → {share(effect['sparsity'])}" if "sparsity" in effect else ""
    return f"{effect['shift'] * 1000:.3g}", f"{effect['f1_change']:+.4f}", zeros
