"""Which files of a dataset repository are its train, validation and test rows, and what its class labels are called.

In the order in which `datasets` decides it: the card's `configs`, if it has any; else the names of files and folders
(`train-00000-of-00001.parquet`, `dev.jsonl`, `data/test/0.csv`); else all files are train. On the branch that the Hub
converts datasets to (`refs/convert/parquet`) the folders are config and split.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.providers.base import ROWS, NoSuchSplit, are_rows
from sparsebuild.registry import did_you_mean

__all__ = ["CONVERTED", "Card", "Split", "is_data", "pick", "read_card"]

CONVERTED = "refs/convert/parquet"

_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_NO_ROWS = {"dataset_infos.json", "dataset_dict.json", "dataset_info.json", "state.json", "config.json"}
_LARGEST_CARD = 200_000  # characters of YAML: a few seconds to read; few cards have a tenth of that
_DEEPEST = 20  # features inside features


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the YAML at the head of a dataset's README.md says."""

    configs: tuple[Mapping[str, Any], ...] = ()
    infos: tuple[Mapping[str, Any], ...] = ()

    def labels(self, config: str, *, is_only: bool) -> dict[str, tuple[str, ...]]:
        """The class names of the columns that have classes.

        What is said once is said of every config, unless it names another one; of an only one it is said in any case.
        """
        named_so = [i for i in self.infos if i.get("config_name", "default") == config]
        once = len(self.infos) == 1 and (is_only or "config_name" not in self.infos[0])
        chosen = named_so or (list(self.infos) if once else [])
        features = chosen[0].get("features") if chosen else None
        columns = [f for f in features if isinstance(f, dict)] if isinstance(features, list) else []
        named = {str(column.get("name")): _class_names(column, _DEEPEST) for column in columns}
        return {column: names for column, names in named.items() if names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One split of one config."""

    files: tuple[str, ...]
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_card(text: str) -> Card:
    """The card in a README; an empty one where it has no YAML, or none that can be read."""
    match = re.match(r"\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", text, re.DOTALL)
    data = _yaml(match[1]) if match and len(match[1]) <= _LARGEST_CARD else None
    if not isinstance(data, dict):
        return Card()
    return Card(configs=_tables(data.get("configs")), infos=_tables(data.get("dataset_info")))


def is_data(path: str) -> bool:
    """Whether a file holds rows that we read."""
    name = path.rpartition("/")[2]
    return are_rows(name) and name not in _NO_ROWS and not any(p.startswith(".") for p in path.split("/"))


def pick(paths: Collection[str], card: Card, config: str, split: str, *, converted: bool = False) -> Split:
    """The files of `split` in `config`; either may be empty where there is only one.

    Raises UserError that names what there is, NoSuchSplit where it is the split that there is not.
    """
    known = sorted(filter(is_data, paths))
    configs = _of_folders(known) if converted else _of_card(card, known) or {"default": _by_name(known)}
    chosen = _chosen_config(configs, card, config)
    splits = {name: files for name, files in configs[chosen].items() if files}
    if not split and len(splits) == 1:
        split = next(iter(splits))
    if split not in splits:
        there = ", ".join(sorted(splits, key=_usual)) or "none"
        said = f"it has no split `{split}`" if split else "it has several splits"
        near = did_you_mean(split, splits)
        raise NoSuchSplit(f"{said}; there are: {there}", hint=near or f"add `?split=NAME`: {there}")
    return Split(files=tuple(splits[split]), labels=card.labels(chosen, is_only=len(configs) == 1))


def _yaml(text: str) -> Any:
    """What a card's YAML says; None where it is not YAML.

    Aliases stay references here, so that aliases of aliases cost nothing; `<<` copies, and is not read. The loader is
    the slow one: libyaml's overflows the stack on deep nesting.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            """Copy nothing."""

    try:
        return yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None


def _chosen_config(configs: Mapping[str, Any], card: Card, asked: str) -> str:
    if asked in configs:
        return asked
    if not asked and len(configs) == 1:
        return next(iter(configs))
    marked = [str(c.get("config_name")) for c in card.configs if c.get("default") is True]
    for name in (*marked, "default"):
        if not asked and name in configs:
            return name
    said = f"it has no config `{asked}`" if asked else "it has several configs, and none of them is the default"
    listed = ", ".join(list(configs)[:20]) or "none"
    raise UserError(f"{said}; there are: {listed}", hint=did_you_mean(asked, configs) or "add `?config=NAME`")


def _of_card(card: Card, paths: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """config -> split -> files, as the card's `configs` say."""
    found = {}
    for table in card.configs:
        folder = str(table.get("data_dir") or "").strip("/")
        inside = [p for p in paths if not folder or p.startswith(f"{folder}/")]
        asked = list(_data_files(table.get("data_files")))
        splits: dict[str, list[str]] = {}
        for split, pattern in asked:
            splits.setdefault(split, []).extend(p for p in inside if _matches(p, pattern, folder))
        name = str(table.get("config_name", "default"))
        found[name] = {k: sorted(set(v)) for k, v in splits.items()} if asked else _by_name(inside)
    return found


def _data_files(value: Any) -> Iterator[tuple[str, str]]:
    """(split, pattern) of every form that `data_files` may have."""
    if isinstance(value, str):
        yield "train", value
    elif isinstance(value, dict):
        for split, patterns in value.items():
            yield from ((str(split), str(p)) for p in (patterns if isinstance(patterns, list) else [patterns]))
    for item in value if isinstance(value, list) else []:
        if isinstance(item, str):
            yield "train", item
        elif isinstance(item, dict):
            patterns = item.get("path")
            for pattern in patterns if isinstance(patterns, list) else [patterns]:
                yield str(item.get("split", "train")), str(pattern)


def _matches(path: str, pattern: str, folder: str) -> bool:
    """Whether a path is meant by a pattern of the card, which knows `*`, `**` and `?`."""
    pattern = pattern.removeprefix("./")
    if pattern.startswith(("/", "hf://", "http:", "https:")) or ".." in pattern.split("/") or len(pattern) > 200:
        return False
    names = path.split("/") if not folder else path.removeprefix(f"{folder}/").split("/")
    return _parts_match(names, pattern.split("/"))


def _parts_match(names: list[str], patterns: list[str]) -> bool:
    """Part by part; by counting rather than by trying, so that many `**` cost nothing."""
    reachable = {0}
    for pattern in patterns:
        if pattern == "**":
            reachable = set(range(min(reachable), len(names) + 1)) if reachable else set()
        else:
            reachable = {i + 1 for i in reachable if i < len(names) and fnmatchcase(names[i], pattern)}
    return len(names) in reachable


def _by_name(paths: Iterable[str]) -> dict[str, list[str]]:
    """split -> files by the words in their names, or in the names of their folders; else all are train."""
    listed = _of_one_format(list(paths))
    for of in (_in_file_name, _in_folders):
        found: dict[str, list[str]] = {}
        for path in listed:
            if split := of(path):
                found.setdefault(split, []).append(path)
        if found:
            return found
    return {"train": listed} if listed else {}


def _of_one_format(paths: list[str]) -> list[str]:
    """The files of the format that most of them have: a folder often holds the same rows twice."""
    suffixes = [next(suffix for suffix in ROWS if path.lower().endswith(suffix)) for path in paths]
    best = max(ROWS, key=suffixes.count)
    return [path for path, suffix in zip(paths, suffixes, strict=True) if suffix == best]


def _in_file_name(path: str) -> str:
    return _split_in([path.rpartition("/")[2]])


def _in_folders(path: str) -> str:
    return _split_in(path.split("/")[:-1])


def _split_in(names: Iterable[str]) -> str:
    words = set(chain.from_iterable(re.split(r"[^a-z]+", name.lower()) for name in names))
    return next((split for split, known in _WORDS.items() if words & set(known)), "")


def _usual(split: str) -> int:
    """Where a split stands in the order in which people name them."""
    return [*_WORDS, split].index(split)


def _of_folders(paths: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """config -> split -> files of the Hub's own conversion."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        parts = path.split("/")
        if len(parts) == 3:
            if parts[1].startswith("partial-"):
                raise SourceUnavailable(
                    f"the Hub converted only a part of it to Parquet ({parts[1]})",
                    hint='bring the rows as files: `train = "file:…"`',
                )
            found.setdefault(parts[0], {}).setdefault(parts[1], []).append(path)
    return found


def _class_names(feature: Any, deepest: int) -> tuple[str, ...]:
    """The names of a feature's classes, wherever in it they stand: itself, or the items of its list."""
    if not isinstance(feature, dict) or not deepest:
        return ()
    label = feature.get("class_label")
    names = label.get("names") if isinstance(label, dict) else None
    if isinstance(names, dict) and all(str(number) in {str(k) for k in names} for number in range(len(names))):
        by_number = {str(k): str(v) for k, v in names.items()}
        return tuple(by_number[str(number)] for number in range(len(names)))
    if isinstance(names, list):
        return tuple(map(str, names))
    inner = [_class_names(feature.get(key), deepest - 1) for key in ("sequence", "list", "dtype", "feature")]
    return next(filter(None, inner), ())


def _tables(value: Any) -> tuple[Mapping[str, Any], ...]:
    """A table or a list of tables, as a tuple of tables."""
    return tuple(item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict))
