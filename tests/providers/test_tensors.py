"""providers/tensors.py: names and shapes from headers, without reading a weight."""

import json
import struct
from dataclasses import replace

import pytest

from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.lock import LockedFile, LockedSource
from sparsebuild.providers import Context
from sparsebuild.providers.tensors import has_quantized_linears, model_type, shapes, weight_bits


def weights(**tensors):
    header = {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in tensors.items()}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.fixture
def context(tmp_path):
    stats, temporary = StatCache(tmp_path / "stats.json"), tmp_path / "temporary"
    return Context(root=tmp_path, store=Store(tmp_path / "cache"), digests=stats, temporary=temporary)


def kept(context, **files):
    """A source whose files are in the store."""
    locked = []
    for name, data in files.items():
        path = context.root / name.replace("_", ".")
        path.write_bytes(data)
        locked.append(LockedFile(path=path.name, size=len(data), sha256=context.store.put(path)))
    return LockedSource(name="model", kind="hf-model", request="hf:org/tiny", files=tuple(locked))


def test_shards_are_put_together(context):
    source = kept(context, one_safetensors=weights(a=[2, 3]), two_safetensors=weights(b=[4]), config_json=b"{}")
    assert shapes(source, context) == {"a": (2, 3), "b": (4,)}


def test_a_local_model_is_read_where_it_stands(context, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "model" / "model.safetensors").write_bytes(weights(a=[1]))
    files = tuple(LockedFile(path=name, size=1, sha256="0" * 64) for name in ("config.json", "model.safetensors"))
    source = LockedSource(name="model", kind="file-model", request="file:model", files=files)
    assert (shapes(source, context), model_type(source, context)) == ({"a": (1,)}, "bert")


def test_a_model_of_ours_says_whether_its_linears_are_quantized(context):
    said = {
        text: kept(context, structure_json=text) for text in (b'{"linears": ["a"]}', b'{"linears": []}', b"not json")
    }
    assert [has_quantized_linears(source, context) for source in said.values()] == [True, False, False]


def test_a_model_of_ours_and_one_of_sparsemls_say_how_many_bits_their_weights_have(context):
    of_ours = {
        b'{"linears": ["a"], "weight_levels": 127}': 8,
        b'{"linears": ["a"], "weight_levels": 63}': 7,
        b'{"linears": ["a"], "weight_levels": 127, "schemes": {"a": {"weights": {"bits": 4}}}}': 4,
        b'{"linears": ["a"], "weight_levels": 127, "schemes": {"a": {"inputs": {"bits": 8}}}}': 0,
        b'{"linears": [], "weight_levels": 63}': 0,
        b'{"linears": 3, "weight_levels": 63}': 0,
        b'{"linears": ["a"]}': 0,
    }
    assert {text: weight_bits(kept(context, structure_json=text), context) for text in of_ours} == of_ours
    names = {"a.module.weight": [2, 3], "a.module.weight_fake_quant.scale": [1]}
    assert weight_bits(kept(context, model_safetensors=weights(**names)), context) == 8
    assert weight_bits(kept(context, model_safetensors=weights(a=[2, 3])), context) == 0


@pytest.mark.parametrize("data", [b"", b"\xff" * 8, struct.pack("<Q", 3) + b"[1]", struct.pack("<Q", 9) + b'{"a": 1}'])
def test_what_is_no_header_is_not_known(context, data):
    assert shapes(kept(context, model_safetensors=data), context) is None


def test_what_is_not_here_is_not_known(context):
    source = kept(context, model_safetensors=weights(a=[1]), config_json=b"not json")
    gone = replace(source.files[0], sha256="0" * 64)
    assert shapes(replace(source, files=(gone,)), context) is None
    assert model_type(source, context) == ""
