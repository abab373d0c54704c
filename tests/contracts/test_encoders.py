"""What every type of encoder must do: be trained, pruned, quantized, exported and run, as its row of the table says.

A new one is a row of `sparsebuild/encoders.py` and one of `tiny.py` here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
import torch
from transformers import masking_utils

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from sparsebuild import modifiers, recipe
from sparsebuild.encoders import ENCODERS, head_width, longest
from sparsebuild.errors import RecipeError, UserError
from sparsebuild.exporters import base
from sparsebuild.exporters.fp32 import export as export_fp32
from sparsebuild.exporters.portable import export as export_portable
from sparsebuild.exporters.predict import load
from sparsebuild.exporters.runtime import input_names as inputs_of_file
from sparsebuild.exporters.runtime import open_session, session_logits
from sparsebuild.modifiers.base import Batch
from sparsebuild.modifiers.matching import of_training
from sparsebuild.modifiers.parameters import select
from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.shipping.snippets import INPUTS, piece_mark, snippets
from sparsebuild.tasks.pieces import Cutter, copy_tokenizer, load_tokenizer
from sparsebuild.training import shapes
from sparsebuild.training.attention import QUANTIZED, use_cheap_dropout
from sparsebuild.training.inputs import given, input_names
from sparsebuild.training.models import open_dense, open_model, open_pretrained, save_model
from sparsebuild.training.quantization import freeze_observers, quantize, quantized_modules
from sparsebuild.training.quantization_plan import is_attention
from sparsebuild.training.skipped_layers import drop_skipped, layers, skip
from sparsebuild.training.structure import dense_shape, is_embeddings, is_head, observed_structure

KINDS = sorted(tiny.ROWS)
UNLIKE = ("distilbert", "electra", "modernbert", "roberta")  # each of the others is made like one of these
BUILT = ("electra", "modernbert")  # by commands: one that is told the types of its pieces, and one that is not
NODE = Path(__file__).parents[2] / ".venv-transformers-js" / "node_modules"
RECIPES = Path(modifiers.__file__).parents[1] / "providers" / "builtin_recipes"
TYPELESS = {"camembert", "distilbert", "modernbert", "roberta", "xlm-roberta"}  # pieces have no types to be told


@pytest.fixture(scope="module", params=KINDS)
def encoder(request, tmp_path_factory):
    """A type, its row, and the folder of a bare encoder of it."""
    kind = request.param
    folder = tiny.write_model(kind, tmp_path_factory.mktemp(kind))
    return SimpleNamespace(kind=kind, row=ENCODERS[kind], folder=folder)


def opened(encoder, dropout=None):
    return open_pretrained(encoder.folder, tiny.LABELS, dropout, 0)


def batch_of(encoder, *lengths):
    """Sentences of random pieces, padded with zeros to the longest."""
    draw = torch.Generator().manual_seed(len(lengths))
    mask = torch.tensor([[1] * n + [0] * (max(lengths) - n) for n in lengths])
    ids = torch.randint(5, 20, mask.shape, generator=draw) * mask
    return Batch(
        input_ids=ids,
        attention_mask=mask,
        token_type_ids=torch.zeros_like(ids),
        labels=mask - 1,
        words=mask.bool(),
    )


def logits(model, batch):
    model.eval()
    with torch.no_grad():
        return model(**given(model, batch)).logits


def real(values, batch):
    return values[batch.attention_mask.bool()]


def spec(text):
    return modifiers.specs(recipe.resolve(recipe.read(f"modifiers:\n  - !{text}\n", "recipe.yaml"), {}))[0]


def test_every_type_is_tried():
    assert sorted(ENCODERS) == KINDS


def test_the_table_names_what_is_in_the_model(encoder):
    model = opened(encoder)
    modules = dict(model.named_modules())
    assert modules.keys() >= {encoder.row.base, encoder.row.layers, encoder.row.embeddings}
    assert layers(model) == [f"{encoder.row.layers}.{i}" for i in range(3)]
    assert [type(m).__name__ for m in modules.values() if is_attention(m)] == [encoder.row.attention] * 3
    assert set(encoder.row.head) == {name for name, _ in model.named_parameters() if is_head(name)}


def test_dropout_is_what_is_asked_for(encoder):
    batch = batch_of(encoder, 9, 7)
    for dropout, is_same in ((0.0, True), (0.5, False)):
        model = opened(encoder, dropout).train()
        first, second = (model(**given(model, batch)).logits for _ in range(2))
        assert torch.equal(first, second) == is_same
    assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {0.5}


def test_cheap_dropout_is_torchs_with_other_draws(encoder):
    """So rare that nothing goes, it must change nothing, and in evaluation not a bit."""
    batch, seldom = batch_of(encoder, 12, 5, 9), 1e-9
    torchs, ours = (opened(encoder, seldom) for _ in range(2))
    use_cheap_dropout(ours)
    assert torch.equal(logits(ours, batch), logits(torchs, batch))
    for model in (ours, torchs):
        model.train()
        real(model(**given(model, batch)).logits, batch).square().sum().backward()
    for mine, theirs in zip(ours.parameters(), torchs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("head", ["AutoModel", "AutoModelForMaskedLM"])
def test_its_tensors_are_known_before_it_is_opened(encoder, head, tmp_path):
    import transformers
    from safetensors import safe_open

    getattr(transformers, head).from_pretrained(encoder.folder).save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        sizes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    width = head_width(json.loads((tmp_path / "config.json").read_text()))
    found, model = of_training(sizes, encoder.kind, width), open_pretrained(tmp_path, tiny.LABELS, None, 0)
    dense = shapes.shapes(model).values()
    assert found.most == {
        "layers": len(dense),
        "heads": max(shape.heads for shape in dense),
        "ffn": max(shape.neurons for shape in dense),
    }
    assert sorted(found.names) == sorted(name for name, _ in model.named_parameters())
    assert sorted(found.prunable) == sorted(select(model, ["__ALL_PRUNABLE__"], "t"))


def test_where_a_recipe_is_silent_all_layers_are_pruned(encoder):
    fisher = spec("GlobalFisherPruningModifier {start_epoch: 0.0, end_epoch: 1.0, final_sparsity: 0.5}")
    names = select(opened(encoder), fisher.params, "t", only_prunable=True)
    linears = select(opened(encoder), ["__ALL_PRUNABLE__"], "t")
    assert names == [name for name in linears if not (is_head(name) or is_embeddings(name))]
    assert all(name.startswith(f"{encoder.row.layers}.") for name in names)
    assert len(names) == 3 * (4 if encoder.kind == "modernbert" else 6)


@pytest.mark.parametrize("name", [path.stem for path in sorted(RECIPES.glob("*.yaml"))])
def test_a_recipe_of_ours_quantizes_all_of_it(encoder, name):
    text = (RECIPES / f"{name}.yaml").read_text()
    specs = modifiers.specs(recipe.resolve(recipe.read(text, "recipe.yaml"), {}))
    (quantization,) = [one for one in specs if one.tag == "QuantizationModifier"]
    model = opened(encoder)
    wanted = [
        n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear | torch.nn.Embedding) or is_attention(m)
    ]
    assert sorted(quantization.plan(model)) == sorted(wanted)


def test_no_submodules_are_all_of_a_bert(tmp_path):
    """What recipes of ours once named."""
    model = open_pretrained(tiny.write_model("bert", tmp_path), tiny.LABELS, None, 0)
    named = spec("QuantizationModifier {submodules: [bert.embeddings, bert.encoder, classifier]}")
    assert named.plan(model) == spec("QuantizationModifier {submodules: null}").plan(model)


# ---- words and pieces


def test_words_are_cut_as_whoever_opens_the_copied_tokenizer_cuts_them(encoder, tmp_path):
    from transformers import AutoTokenizer

    words = ["ada", "wrote", "to", "Alan", ",", "london", "zebra"]
    copy_tokenizer(encoder.folder, tmp_path)
    cut = Cutter(load_tokenizer(encoder.folder, tiny.LONGEST), tiny.LONGEST).cut([words])
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert cut.input_ids.tolist() == theirs(words, is_split_into_words=True).input_ids
    assert (
        Cutter(load_tokenizer(tmp_path, tiny.LONGEST), tiny.LONGEST).cut([words]).input_ids.tolist()
        == cut.input_ids.tolist()
    )
    firsts = theirs.convert_ids_to_tokens(cut.input_ids[cut.firsts[cut.firsts >= 0]])
    if "roberta" in encoder.kind or encoder.kind in ("camembert", "modernbert"):
        assert {piece[0] for piece in firsts} <= {"Ġ", "▁"}
    assert theirs("ada wrote").input_ids == theirs(["ada", "wrote"], is_split_into_words=True).input_ids


def test_a_sentence_may_be_as_long_as_the_model_reads(encoder):
    config = json.loads((encoder.folder / "config.json").read_text())
    assert longest(config) == tiny.LONGEST
    logits(opened(encoder), batch_of(encoder, tiny.LONGEST))
    with pytest.raises(UserError, match=f"the model reads at most {tiny.LONGEST} pieces"):
        load_tokenizer(encoder.folder, tiny.LONGEST + 1)


def test_padding_changes_nothing(encoder):
    model, batch = opened(encoder), batch_of(encoder, 12, 5)
    alone = Batch(**{name: value[1:, :5] for name, value in vars_of(batch).items()})
    torch.testing.assert_close(logits(model, batch)[1, :5], logits(model, alone)[0], atol=1e-5, rtol=1e-5)
    read = given(model, batch)
    assert set(read["input_ids"][batch.attention_mask == 0].tolist()) == {model.config.pad_token_id or 0}


def test_a_quantized_model_sees_what_transformers_mask_lets_it_see(encoder, monkeypatch):
    model, batch = opened(encoder), batch_of(encoder, 12, 5, tiny.LONGEST)
    quantize(model)
    model.train()(**given(model, batch))
    ours = logits(model, batch)
    monkeypatch.setitem(masking_utils.AttentionMaskInterface._global_mapping, QUANTIZED, masking_utils.eager_mask)
    assert torch.equal(ours, logits(model, batch))


def vars_of(batch):
    names = ("input_ids", "attention_mask", "token_type_ids", "labels", "words")
    return {name: getattr(batch, name) for name in names}


# ---- files


def computed_shapes(path):
    """How many reshapes work out their shape at each run."""
    graph = onnx.load(str(path)).graph
    constants = {w.name for w in graph.initializer} | {n.output[0] for n in graph.node if n.op_type == "Constant"}
    return sum(node.op_type == "Reshape" and node.input[1] not in constants for node in graph.node)


@pytest.mark.parametrize(
    ("scheme", "exporter"),
    [("fp32", "torchscript"), ("portable", "torchscript"), pytest.param("portable", "dynamo", marks=pytest.mark.slow)],
)
def test_a_file_has_the_inputs_of_the_model_and_says_what_it_says(encoder, scheme, exporter, tmp_path):
    if exporter == "dynamo" and encoder.kind not in UNLIKE:
        pytest.skip(f"{encoder.kind} is made like one of: {', '.join(UNLIKE)}")
    model, seen = opened(encoder, 0.0), batch_of(encoder, 12, 9, 3)
    if scheme == "portable":
        quantize(model)
        model.train()
        for _ in range(20):
            model(**given(model, seen))
        freeze_observers(model)
    export = export_portable if scheme == "portable" else export_fp32
    export(model.eval(), tmp_path / "model.onnx", base.DEFAULT_OPSET, exporter)
    if exporter == "torchscript":  # the mask's alone, where it is of all pairs of pieces
        assert computed_shapes(tmp_path / "model.onnx") == (scheme == "fp32" or encoder.kind == "modernbert")
    session = open_session(tmp_path / "model.onnx", 1)
    wanted = ["input_ids", "attention_mask", *([] if encoder.kind in TYPELESS else ["token_type_ids"])]
    assert inputs_of_file(session) == list(input_names(model)) == wanted
    for batch in (seen, batch_of(encoder, 5), batch_of(encoder, tiny.LONGEST, 1)):
        ours, theirs = (real(f(batch), batch) for f in (lambda b: logits(model, b), session_logits(session)))
        far = (ours - theirs).abs()
        assert float(far.median() if scheme == "portable" else far.max()) < 1e-4
        assert float((ours.argmax(-1) == theirs.argmax(-1)).float().mean()) >= 0.95


def test_the_cards_javascript_tells_words_apart_as_we_do_or_is_left_out(encoder, tmp_path):
    hub, model = tmp_path / "hub", opened(encoder, 0.0).eval()
    copy_tokenizer(encoder.folder, hub)
    mark = piece_mark(hub / "tokenizer.json")
    card = snippets("onnx/model.onnx", "fp32", input_names(model), mark=mark)
    assert ("### transformers.js" in card) == (encoder.kind not in ("camembert", "xlm-roberta"))
    assert ("### DeepSparse" in card) == (mark == "##")
    if not NODE.exists():
        pytest.skip("no transformers.js: `make runtimes`")
    model.save_pretrained(hub)
    export_fp32(model, hub / "model.onnx", base.DEFAULT_OPSET)
    (hub / "onnx").mkdir()
    shutil.copy(hub / "model.onnx", hub / "onnx")
    (hub / "node_modules").symlink_to(NODE)
    words = ["ada", "alan", "spoke", "to", "grace" if mark == "##" else "Zoë", "in", "london", "."]
    for code in re.findall(r"```js\n(.*?)```", card, re.DOTALL):
        code = code.replace("Ada Lovelace wrote to Charles Babbage in London", " ".join(words))
        (hub / "card.mjs").write_text(code.replace("console.log(words)", "console.log(JSON.stringify(words))"))
        done = subprocess.run(["node", "card.mjs"], cwd=hub, capture_output=True, text=True, check=True, timeout=120)
        found = [(pair["word"], pair["entity"]) for pair in json.loads(done.stdout)]
        assert found == list(zip(words, load(hub).tag(words), strict=True))


# ---- layers


def test_a_model_without_a_layer_is_saved_and_opened_again(encoder, tmp_path):
    model, batch = opened(encoder), batch_of(encoder, 12, 5)
    skip(model, [f"{encoder.row.layers}.1"])
    before = logits(model, batch)
    drop_skipped(model)
    quantize(model)
    model.train()(**given(model, batch))
    freeze_observers(model)
    save_model(model, observed_structure(model, {}), tmp_path)
    reopened = open_model(tmp_path)
    assert reopened.config.num_hidden_layers == 2
    assert not torch.equal(before, logits(model, batch))  # it is quantized by now
    assert torch.equal(logits(model, batch), logits(reopened, batch))
    assert [n for n, _ in quantized_modules(reopened)] == [n for n, _ in quantized_modules(model)]


def test_a_first_layer_that_is_unlike_the_others_cannot_be_left_out(encoder):
    pruning = spec(f"LayerPruningModifier {{layers: [{encoder.row.layers}.0]}}")
    run = SimpleNamespace(model=opened(encoder), specs=(pruning,), epochs=1)
    if not encoder.row.first_layer_stays:
        pruning.attach(run)
        return
    with pytest.raises(RecipeError) as caught:
        pruning.attach(run)
    assert str(caught.value) == (
        "error: LayerPruningModifier: `model.layers.0` cannot be left out: it is built otherwise than the other "
        "layers, and none of them can take its place\n\n"
        "hint: there are: model.layers.1, model.layers.2"
    )


# ---- heads and neurons


@pytest.mark.parametrize("what", ["heads", "neurons"])
def test_what_nothing_reads_can_be_cut_out_without_a_change(encoder, what, tmp_path):
    """Where the columns that read a head or a neuron are zero; and the narrow model is saved, opened and exported."""
    model, batch = opened(encoder), batch_of(encoder, 12, 5)
    dense = dense_shape(model, encoder.folder)
    stays = {name: places_that_stay(what, seed) for seed, name in enumerate(layers(model))}
    for name, places in stays.items():
        from_heads, from_neurons = shapes.projections(model, name)
        reader = from_heads if what == "heads" else from_neurons
        with torch.no_grad():
            groups = reader.weight.view(16, 4 if what == "heads" else 24, -1)
            groups[:, [i for i in range(groups.shape[1]) if i not in places]] = 0.0
    before = logits(model, batch)
    for name, places in stays.items():
        shapes.cut(model, shapes.kept(model, name, **{what: torch.tensor(places)}))
    torch.testing.assert_close(logits(model, batch), before, atol=1e-5, rtol=1e-5)
    left = LayerShape(heads=3, neurons=24) if what == "heads" else LayerShape(heads=4, neurons=15)
    assert shapes.shapes(model) == dict.fromkeys(layers(model), left)

    shapes.settle_config(model)
    save_model(model, observed_structure(model, {}, None, dense), tmp_path)
    reopened = open_model(tmp_path)
    assert shapes.shapes(reopened) == shapes.shapes(model)
    assert torch.equal(logits(reopened, batch), logits(model, batch))
    export_fp32(reopened, tmp_path / "model.onnx", base.DEFAULT_OPSET)
    theirs = session_logits(open_session(tmp_path / "model.onnx", 1))(batch)
    torch.testing.assert_close(real(theirs, batch), real(before, batch), atol=1e-4, rtol=1e-4)
    assert shapes.shapes(open_dense(tmp_path)) == dict.fromkeys(layers(model), LayerShape(heads=4, neurons=24))
    for_another_task = open_pretrained(tmp_path, [*tiny.LABELS, "B-more", "I-more"], None, 0)
    assert shapes.shapes(for_another_task) == shapes.shapes(model)


def places_that_stay(what, seed):
    count, keep = (4, 3) if what == "heads" else (24, 15)
    return sorted(torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:keep].tolist())


def test_what_is_read_cannot_be_cut_out_without_a_change(encoder):
    model, batch = opened(encoder), batch_of(encoder, 12, 5)
    before = logits(model, batch)
    for name in layers(model):
        shapes.cut(model, shapes.kept(model, name, heads=torch.tensor([0, 1, 2])))
    assert not torch.allclose(logits(model, batch), before, atol=1e-3)


# ---- the whole path

MANIFEST = """
[project]
name = "tiny"

[model]
source = "model"

[teacher]
source = "target:teacher"

[teacher.train]
from = "model"
num_train_epochs = 2
per_device_train_batch_size = 8
learning_rate = 3e-3

[data]
train = "data/train.jsonl"
validation = "data/validation.jsonl"
unlabelled = "data/unlabelled.jsonl"
max_length = {longest}

[recipe]
source = "recipe.yaml"

[train]
per_device_train_batch_size = 8
threads = 1

[bench]
shapes = ["1x8", "2x16"]
seconds = 0.001

[gate]
f1 = ">= 0.3"
sparsity = ">= 0.5"
agreement = ">= 0.999"
speedup = ">= 0.0001"
"""
RECIPE = """
training_modifiers:
  - !EpochRangeModifier {{start_epoch: 0.0, end_epoch: 4.0}}
  - !LearningRateFunctionModifier
      {{start_epoch: 0.0, end_epoch: 4.0, lr_func: linear, init_lr: 3.0e-3, final_lr: 1.0e-3}}
  - !LayerPruningModifier {{start_epoch: 0.0, layers: [{layers}.1]}}
  - !StructuredPruningModifier {{start_epoch: 0.5, end_epoch: 1.0, cuts: 2, targets: {{ffn: 16}}}}
pruning_modifiers:
  - !GlobalFisherPruningModifier {{start_epoch: 0.2, end_epoch: 2.0, final_sparsity: 0.5, update_steps: 2}}
quantization_modifiers:
  - !QuantizationModifier {{start_epoch: 2.0, disable_quantization_observer_epoch: 3.5, quantize_linear_activations: 0}}
distillation_modifiers:
  - !DistillationModifier {{hardness: 0.7, positions: words, hidden_states: 0.3}}
"""


def sparsebuild(project, *words):
    return subprocess.run(
        [sys.executable, "-m", "sparsebuild", "-C", str(project), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def built(encoder, tmp_path_factory):
    """A project of the encoder, built: its teacher too, without a layer, pruned, quantized, exported, measured.

    It takes half a minute, so two are: what is said above of each type is cheap.
    """
    if encoder.kind not in BUILT:
        pytest.skip(f"built are: {', '.join(BUILT)}")
    folder = tmp_path_factory.mktemp(f"built-{encoder.kind}")
    shutil.copytree(encoder.folder, folder / "model")
    tiny.write_rows(folder / "data", train=96, validation=32, unlabelled=32)
    (folder / "sparse.toml").write_text(MANIFEST.format(longest=tiny.LONGEST))
    (folder / "recipe.yaml").write_text(RECIPE.format(layers=encoder.row.layers))
    ran = sparsebuild(folder, "run", "--json")
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.mark.slow
def test_the_whole_path_is_walked(built, encoder):
    told = json.loads((built / "build/export/export.json").read_text())
    assert [value["name"] for value in told["inputs"]] == [
        name for name in INPUTS if name != "token_type_ids" or encoder.kind not in TYPELESS
    ]
    assert told["agreement"] == 1.0
    assert told["validation"]["f1"] >= 0.3
    assert len(told["quantized"]["attentions"]) == 2
    assert json.loads((built / "build/train/model/config.json").read_text())["id2label"]["1"] == "B-person"
    timed = json.loads((built / "build/bench/bench.json").read_text())
    assert {t["runtime"] for t in timed["timings"]} == set(timed["runtimes"]) - {
        name for name, one in timed["runtimes"].items() if "missing" in one
    }


@pytest.mark.slow
def test_what_is_published_runs_as_the_card_says(built, encoder):
    hub = built / "build/export/hub"
    card = (hub / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    for needs in ("onnxruntime", "transformers"):
        block = next(block for block in blocks if block.startswith(f"# pip install {needs}"))
        assert ("token_type_ids" in block) == (needs == "onnxruntime" and encoder.kind not in TYPELESS)
        done = subprocess.run([sys.executable, "-c", block], cwd=hub, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    tried = sparsebuild(built, "try", "--json", "ada alan went to london")
    assert tried.returncode == 0, tried.stderr
    assert json.loads(tried.stdout)["texts"][0]["text"] == "ada alan went to london"
    assert sparsebuild(built, "verify").returncode == 0


# ---- what is not there


def test_another_type_is_refused_by_its_name(tmp_path):
    from transformers import FNetConfig, FNetModel

    FNetModel(FNetConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, intermediate_size=8)).save_pretrained(
        tmp_path
    )
    with pytest.raises(UserError) as caught:
        open_pretrained(tmp_path, tiny.LABELS, None, 0)
    assert str(caught.value) == (
        "error: models of type `fnet` cannot be trained here\n\n"
        "hint: there are: bert, camembert, distilbert, electra, modernbert, roberta, xlm-roberta"
    )
