"""What a `zoo:` stub says, in the grammar of SparseZoo 1.8.

    zoo:nlp/token_classification/obert-base/pytorch/huggingface/conll2003/pruned90_quant-none     long
    zoo:obert-base-wikipedia_bookcorpus-pruned90                                                 short
    …?recipe=transfer_learn   …?recipe_type=original   …?checkpoint=preqat   …?deployment=default

What follows a long stub's seventh `/` means nothing, as it did there. `checkpoint` and `deployment` were checked and
then changed nothing, and so it is here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sparsebuild.errors import UserError
from sparsebuild.registry import did_you_mean

__all__ = ["Stub"]

_FIELD = r"[.A-Za-z0-9_]+"
_LONG = re.compile(
    rf"(?P<domain>{_FIELD})/(?P<task>{_FIELD})/(?P<architecture>{_FIELD})(?:-(?P<subArchitecture>{_FIELD}))?"
    rf"/(?P<framework>{_FIELD})/(?P<repo>{_FIELD})/(?P<sourceDataset>{_FIELD})(?:-{_FIELD})?"
    r"/(?P<sparseTag>[.A-Za-z0-9_-]+)(?:/.*)?"
)
_SHORT = re.compile(rf"{_FIELD}(?:-{_FIELD}){{2,4}}")
_PARAMETERS: Mapping[str, frozenset[str] | None] = {
    "recipe": None,
    "recipe_type": None,
    "checkpoint": frozenset({"prepruning", "postpruning", "preqat", "postqat"}),
    "deployment": frozenset({"default"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stub:
    """A stub, taken apart."""

    name: str  # without `zoo:` and without what stands behind the question mark
    fields: Mapping[str, str]  # of a long stub, under the API's names; empty for a short one
    recipe: str = ""
    recipe_type: str = ""

    @classmethod
    def parse(cls, request: str) -> Stub:
        """Take a request apart; raises UserError that says what is wrong with it."""
        text, _, query = request.removeprefix("zoo:").partition("?")
        parameters = _parameters(query, request) if "?" in request else {}
        long = _LONG.fullmatch(text)
        is_path = any(set(part) == {"."} for part in text.split("/"))
        if is_path or not (long or _SHORT.fullmatch(text)):
            raise UserError(
                f"`{request[:200]}` is not a stub of the SparseZoo",
                hint="a stub is `zoo:domain/task/architecture/framework/repo/dataset/sparsity`, "
                "or a name such as `zoo:obert-base-wikipedia_bookcorpus-pruned90`",
            )
        fields = {key: value for key, value in long.groupdict().items() if value} if long else {}
        name = "/".join(text.split("/")[:7])
        return cls(name=name, fields=fields, **{k: v for k, v in parameters.items() if k.startswith("recipe")})

    @property
    def arguments(self) -> Mapping[str, str]:
        """What the zoo's API is asked for."""
        return self.fields or {"repoName": self.name}

    def is_folder(self, name: str) -> bool:
        """Whether the zoo's own cache could have kept this model under `name`.

        A short stub is the name. A long one became `architecture-dataset-sparsity`, where the dataset could be followed
        by the one of pre-training, `none` was left out and `quant` was spelled out.
        """
        if not self.fields:
            return name == self.name
        start = "-".join(self.fields[key] for key in ("architecture", "subArchitecture") if key in self.fields)
        dataset, found = self.fields["sourceDataset"], name.removeprefix(f"{start}-")
        of_name, _, tag = found.partition("-")
        is_dataset = of_name == dataset or of_name.startswith(f"{dataset}_")
        return found != name and is_dataset and _same_tag(self.fields["sparseTag"], tag)


def _parameters(query: str, request: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in query.split("&"):
        key, equals, value = part.partition("=")
        if not equals or not value or key in found:
            raise UserError(f"`{request[:200]}` must end in `?key=value`, each key once")
        if key not in _PARAMETERS:
            known = ", ".join(_PARAMETERS)
            raise UserError(
                f"`?{key[:100]}=` means nothing in a stub",
                hint=did_you_mean(key, _PARAMETERS) or f"there are: {known}",
            )
        allowed = _PARAMETERS[key]
        if allowed and value not in allowed:
            raise UserError(f"`?{key}={value[:100]}` is not known", hint=f"there are: {', '.join(sorted(allowed))}")
        if not re.fullmatch(r"[A-Za-z0-9._-]+", value):
            raise UserError(f"`?{key}=` must be a name, found {value[:100]!r}")
        found[key] = value
    return found


def _same_tag(long: str, short: str) -> bool:
    return _words(long.removesuffix("-none")) == _words(short)


def _words(tag: str) -> list[str]:
    words = re.split(r"[._-]", tag)
    return ["base" if word == "dense" else word.replace("quantized", "quant") for word in words]
