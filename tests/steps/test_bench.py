"""The step `bench`: what it says in words."""

import pytest

from sparsebuild.steps.bench import EXPORT, FILLED, _on_zeros


@pytest.mark.parametrize(
    ("sizes", "told"),
    [((21_400, 30_900), "21.4 kB, against 30.9 kB"), ((8_240_000, 22_940_000), "8.2 MB, against 22.9 MB")],
)
def test_what_zeros_buy_in_bytes_is_told_in_fitting_units(sizes, told):
    files = [{"name": name, "bytes_zstd": size} for name, size in zip((EXPORT, FILLED), sizes, strict=True)]
    assert list(_on_zeros([], files)) == [
        f"Everywhere they buy bytes once the file is compressed: {told} without them."
    ]
