"""training/models.py and training/structure.py: what is saved opens anywhere, and means what was trained."""

import json
import shutil

import pytest
import torch

from sparsebuild.errors import TargetFailed, UserError
from sparsebuild.training import quantization
from sparsebuild.training.models import labels_of, open_model, open_pretrained, save_model
from sparsebuild.training.structure import Structure, observed_structure


@pytest.fixture
def labels(model_folder):
    return json.loads((model_folder / "labels.json").read_text())


@pytest.fixture
def quantized(model_folder, labels):
    """A quantized model whose observers have seen three batches."""
    model = open_pretrained(model_folder, labels, 0.0, 3)
    quantization.quantize(model)
    model.train()
    for seed in range(3):
        model(input_ids=torch.randint(0, 80, (4, 9), generator=torch.Generator().manual_seed(seed)))
    return model.eval()


def test_a_saved_quantized_model_computes_the_same(quantized, tmp_path):
    save_model(quantized, observed_structure(quantized, {}), tmp_path)
    ids = torch.arange(60).reshape(4, 15)
    with torch.no_grad():
        assert torch.equal(open_model(tmp_path)(input_ids=ids).logits, quantized(input_ids=ids).logits)


def test_a_stranger_finds_no_missing_and_no_unexpected_tensor(quantized, tmp_path):
    from transformers import AutoModelForTokenClassification

    save_model(quantized, observed_structure(quantized, {}), tmp_path)
    model, info = AutoModelForTokenClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert all(torch.equal(p, dict(quantized.named_parameters())[n]) for n, p in model.named_parameters())


def test_structure_survives_its_file(quantized, tmp_path):
    mask = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    structure = observed_structure(quantized, {"a.weight": mask})
    structure.write(tmp_path)
    assert Structure.read(tmp_path) == structure
    assert structure.masked["a.weight"].zeros == 2


def test_observers_learn_nothing_in_evaluation(quantized):
    before = {n: (o.lowest.clone(), o.count.clone()) for n, o in quantization.observers(quantized)}
    quantized(input_ids=torch.full((2, 5), 79))
    assert all(
        torch.equal(o.lowest, before[n][0]) and o.count == before[n][1] for n, o in quantization.observers(quantized)
    )


def test_frozen_observers_learn_nothing_the_classifiers_included(quantized):
    quantization.freeze_observers(quantized)
    quantized.train()
    before = {n: float(o.highest) for n, o in quantization.observers(quantized)}
    quantized(input_ids=torch.full((2, 5), 79))
    assert {n: float(o.highest) for n, o in quantization.observers(quantized)} == before
    assert any(n.startswith("classifier") for n in before)


def test_quantizing_keeps_the_parameters_so_that_the_optimizer_survives(model_folder, labels):
    model = open_pretrained(model_folder, labels, None, 3)
    before = {n: id(p) for n, p in model.named_parameters()}
    names = quantization.quantize(model, submodules=["bert.encoder", "classifier"])
    assert {n: id(p) for n, p in model.named_parameters()} == before
    assert names == quantization.quantize(model, submodules=["bert.encoder", "classifier"])


def test_a_submodule_that_is_not_there_is_named(model_folder, labels):
    model = open_pretrained(model_folder, labels, None, 3)
    with pytest.raises(UserError) as caught:
        quantization.quantize(model, submodules=["bert.encodr"])
    assert str(caught.value) == (
        "error: the recipe quantizes submodule `bert.encodr`, which the model does not have\n\n"
        "hint: did you mean `bert.encoder`?"
    )


def test_a_model_with_a_tensor_too_few_is_refused(quantized, tmp_path):
    from safetensors.torch import load_file, save_file

    save_model(quantized, observed_structure(quantized, {}), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["classifier.bias"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TargetFailed, match=r"missing or unexpected tensors: classifier\.bias"):
        open_model(tmp_path)


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(60).reshape(4, 15)).logits


def test_a_classifier_of_a_config_that_names_labels_alone_is_kept(quantized, tmp_path, labels):
    save_model(quantized, observed_structure(quantized, {}), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": None}))
    assert torch.equal(logits(open_pretrained(tmp_path, labels, None, 1)), logits(quantized))


def test_a_classifier_for_the_labels_in_another_order_is_put_in_theirs(quantized, tmp_path, labels):
    save_model(quantized, observed_structure(quantized, {}), tmp_path)
    reordered = open_pretrained(tmp_path, labels[::-1], None, 1)
    assert labels_of(reordered) == labels[::-1]
    torch.testing.assert_close(logits(reordered), logits(quantized).flip(-1))


@pytest.mark.parametrize("others", [["O", "B-place", "I-place"], ["O", "B-person", "I-person", "B-place", "I-place"]])
def test_a_classifier_for_other_labels_gives_way_to_a_fresh_one(quantized, tmp_path, labels, others):
    save_model(quantized, observed_structure(quantized, {}), tmp_path)
    one, same, other = (open_pretrained(tmp_path, others, None, seed) for seed in (1, 1, 2))
    assert torch.equal(logits(one), logits(same))
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    assert not set(one.classifier.weight.flatten().tolist()) & set(quantized.classifier.weight.flatten().tolist())
    assert type(one.classifier) is torch.nn.Linear  # its ranges are gone with it
    assert type(one.bert.encoder.layer[0].output.dense) is quantization.QuantizedLinear


def test_a_model_in_shards_is_opened_like_one_in_a_piece(model_folder, tmp_path, labels):
    from transformers import AutoModel

    AutoModel.from_pretrained(model_folder).save_pretrained(tmp_path, max_shard_size="10KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    whole, parts = (open_pretrained(folder, labels, None, 1).state_dict() for folder in (model_folder, tmp_path))
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items() if "pooler" not in name)


def test_dropout_reaches_a_head_that_has_one_of_its_own(model_folder, tmp_path, labels):
    shutil.copytree(model_folder, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "classifier_dropout": 0.3}))
    assert open_pretrained(tmp_path, labels, 0.0, 1).dropout.p == 0.0
    assert open_pretrained(tmp_path, labels, None, 1).dropout.p == 0.3
