"""The code on the model card, as it stands there, in each runtime that it names: it finds what `sparsebuild try` finds.

Runtimes other than ONNX Runtime and PyTorch have environments of their own, by `make runtimes`; without, they are
skipped. The project is tiny and learns the card's sentence by heart, with words of several pieces in it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SENTENCE = "Ada Lovelace wrote to Charles Babbage in London"
PEOPLE = [["Ada", "Lovelace"], ["Charles", "Babbage"], ["Grace", "Hopper"], ["Alan", "Turing"]]
PLACES = ["London", "Paris", "Rome"]
PIECES = [
    *("ada", "love", "##lace", "charles", "ba", "##bba", "##ge", "grace", "hop", "##per", "alan", "turing"),
    *("lon", "##don", "paris", "rome", "wrote", "to", "in"),
]
RECIPE = """\
training_modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 12.0}
pruning_modifiers:
  - !GlobalMagnitudePruningModifier
      {start_epoch: 0.0, end_epoch: 4.0, update_frequency: 0.5, init_sparsity: 0.0, final_sparsity: 0.5,
       params: __ALL_PRUNABLE__}
quantization_modifiers:
  - !QuantizationModifier {start_epoch: 6.0, submodules: [bert.embeddings, bert.encoder, classifier]}
"""
PYTHONS = {
    "onnxruntime": sys.executable,
    "transformers": sys.executable,
    "optimum-onnx": ROOT / ".venv-optimum/bin/python",
    "openvino": ROOT / ".venv-openvino/bin/python",
    "deepsparse": ROOT / ".venv-deepsparse/bin/python",
}
NODE = ROOT / ".venv-transformers-js/node_modules"
ALONE = {**os.environ, "HF_HUB_OFFLINE": "1", "NM_DISABLE_ANALYTICS": "True"}


def rows():
    """Every pair of people in every place."""
    for who in PEOPLE:
        for whom in PEOPLE:
            for place in PLACES:
                yield {
                    "tokens": [*who, "wrote", "to", *whom, "in", place],
                    "ner_tags": ["B-person", "I-person", "O", "O", "B-person", "I-person", "O", "B-place"],
                }


@pytest.fixture(scope="module", params=["portable", "fp16"])
def export(request, tmp_path_factory, write_project, sparsebuild):
    """`build/export` of a model that learned `rows`, as a folder that may be written to, and its scheme's name."""
    import torch
    from transformers import AutoConfig, AutoModel

    folder = tmp_path_factory.mktemp("built") / "project"
    folder.mkdir()
    write_project(folder)
    (folder / "recipe.yaml").write_text(RECIPE)
    for split in ("train", "validation"):
        (folder / "data" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    (folder / "model" / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES]))
    config = json.loads((folder / "model" / "config.json").read_text())
    config |= {"vocab_size": 5 + len(PIECES), "hidden_size": 32, "intermediate_size": 64}
    config["max_position_embeddings"] = 128  # DeepSparse pads to as many pieces
    (folder / "model" / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.from_pretrained(folder / "model")).save_pretrained(folder / "model")
    ran = sparsebuild("run", "--set", f"export.scheme={request.param}", cwd=folder)
    assert ran.code == 0, ran.err
    tried = sparsebuild("try", "--json", SENTENCE, cwd=folder).json
    assert entities_of(tried) == [("person", "ada lovelace"), ("person", "charles babbage"), ("place", "london")]
    return folder / "build" / "export"


def entities_of(tried):
    return [(entity["type"], entity["text"].lower()) for entity in tried["texts"][0]["entities"]]


def blocks(export):
    """The code on the card, by the first package that it says to install."""
    found = re.findall(r"```(?:python|js)\n(.*?)```", (export / "hub" / "README.md").read_text(), re.DOTALL)
    return {re.match(r'(?:#|//) (?:pip|npm) install "?(@?[\w/-]+)', block)[1]: block for block in found}


def run(export, package, tmp_path):
    """What the code prints."""
    block = blocks(export).get(package)
    if block is None:
        assert (package, json.loads((export / "export.json").read_text())["scheme"]) == ("deepsparse", "fp16")
        pytest.skip("the card does not say that DeepSparse opens this scheme")
    if package.startswith("@"):
        if not NODE.exists():
            pytest.skip("no transformers.js: `make runtimes`")
        (tmp_path / "node_modules").symlink_to(NODE)
        (tmp_path / "card.mjs").write_text(block)
        command, folder = ["node", tmp_path / "card.mjs"], export / "hub"
    else:
        if not Path(PYTHONS[package]).exists():
            pytest.skip(f"no {package}: `make runtimes`")
        command, folder = [PYTHONS[package], "-c", block], export / "hub"
        if package == "deepsparse":
            folder = shutil.copytree(export / "hub", tmp_path / "hub")
    done = subprocess.run(command, cwd=folder, env=ALONE, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def entities_in(printed):
    """The entities of tagged words, or those that a pipeline put together."""
    tagged = re.findall(r"\('(\w+)', '([\w-]+)'\)", printed)  # Python's pairs
    tagged = tagged or re.findall(r"word: '(\w+)', entity: '([\w-]+)'", printed)  # JavaScript's objects
    if not tagged:
        types = re.findall(r"\bentity(?:_group)?'?[:=] ?'([^']+)'", printed)
        return list(zip(types, re.findall(r"\bword'?[:=] ?'([^']+)'", printed), strict=True))
    found = []
    for word, tag in tagged:
        if tag.startswith("B-"):
            found.append((tag[2:], word.lower()))
        elif tag.startswith("I-"):
            found[-1] = (found[-1][0], f"{found[-1][1]} {word.lower()}")
    return found


@pytest.mark.parametrize("package", [*PYTHONS, "@huggingface/transformers"])
def test_the_code_on_the_card_finds_the_same_entities(export, package, tmp_path):
    printed = run(export, package, tmp_path)
    expected = [("person", "ada lovelace"), ("person", "charles babbage"), ("place", "london")]
    assert entities_in(printed) == expected, printed


def test_every_runtime_on_the_card_is_run_here(export):
    assert set(blocks(export)) | {"deepsparse"} == {*PYTHONS, "@huggingface/transformers"}
