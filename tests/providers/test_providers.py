"""Choosing a provider, and bringing what is locked."""

from dataclasses import replace

import pytest

from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.lock import LockedFile, LockedSource
from sparsebuild.providers import fetch, provider


def failure(request, kind):
    with pytest.raises(kind) as error:
        provider(request)
    return str(error.value)


@pytest.mark.parametrize("scheme", ["hf", "https", "http"])
def test_schemes_to_come(scheme):
    text = failure(f"{scheme}:x", SourceUnavailable)
    assert text.startswith(f"error: `{scheme}:` sources are not supported in this version\n\nhint: download ")


def test_the_zoo():
    assert failure("zoo:nlp/x", SourceUnavailable) == (
        "error: `zoo:` sources are not supported in this version\n\n"
        "hint: the SparseZoo ended in June 2025; many of its models live on at the Hugging Face Hub"
    )


def test_unknown_schemes():
    assert failure("s3:x", UserError) == "error: unknown scheme `s3:` in `s3:x`\n\nhint: there are: file:, pypi:"
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
