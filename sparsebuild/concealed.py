"""What is never told or written down: the tokens of the environment, and what is secret in an address."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

__all__ = ["concealed", "is_secret", "masked", "without_tokens"]

# The Hub's under all the names that its client reads, and `host=TOKEN` pairs of ours.
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")
_PAIRS = "SPARSEBUILD_HTTPS_TOKENS"
_SHORTEST = 4  # characters; a shorter one is no secret, and would be found everywhere

# Parameters by which storage services sign an address for one person, and what people call a secret.
_NAMES = (
    r"(?i:(?:access_?|auth_?|id_?|private_)?token|(?:api_?|access_?|secret_?)?key|sig(?:nature)?|secret|passw(?:or)?d"
    r"|password|credentials?|auth|x-(?:amz|goog|oss)-(?:signature|credential|security-token)|awsaccesskeyid"
    r"|googleaccessid)"
)
_ADDRESS = re.compile(r"(?<=://)[^\s\"'`]+")
_LOGIN = re.compile(r"^[^/@]+(?=@)")
_PARAMETER = rf"([?&]{_NAMES}=)([^&#]+)"  # compiled when an address is met, which most commands meet none of


def without_tokens(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that has nobody to ask."""
    return {name: value for name, value in environment.items() if name not in (*_TOKENS, _PAIRS)}


def is_secret(parameter: str) -> bool:
    """Whether a parameter of this name, in an address, holds what only one person should have."""
    return bool(re.fullmatch(_NAMES, parameter))


def masked(text: str) -> str:
    """`text` with as many asterisks for what is secret in the addresses in it, so that columns stay."""
    return _ADDRESS.sub(lambda found: _masked_address(found[0]), text) if "://" in text else text


def _masked_address(address: str) -> str:
    address = _LOGIN.sub(lambda found: "*" * len(found[0]), address)
    return re.sub(_PARAMETER, lambda found: found[1] + "*" * len(found[2]), address)


def concealed(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` without the tokens of the environment too, as they are or as an address spells them."""
    from urllib.parse import quote

    for token in sorted(_tokens(environment), key=len, reverse=True):
        text = text.replace(token, "***").replace(quote(token, safe=""), "***")
    return masked(text)


def _tokens(environment: Mapping[str, str]) -> Iterator[str]:
    pairs = [pair.partition("=")[2] for pair in environment.get(_PAIRS, "").split()]
    for token in (*(environment.get(name, "") for name in _TOKENS), *pairs):
        if len(token) >= _SHORTEST:
            yield token
