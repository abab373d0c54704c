"""training/sparseml.py: a folder that SparseML left arrives with its zeros and its scales.

The folder is made with torch's own quantization, which SparseML used: its modules say what the logits should be.
"""

import json
import warnings

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sparsebuild.errors import UserError
from sparsebuild.numerics.fake_quant import activation_parameters
from sparsebuild.training import quantization
from sparsebuild.training.models import open_model, open_pretrained, save_model
from sparsebuild.training.sparseml import wrapped_structure
from sparsebuild.training.structure import observed_structure, prunable_sparsity

LABELS = ["O", "B-person", "I-person"]
IDS = torch.randint(0, 80, (4, 12), generator=torch.Generator().manual_seed(5))


class RoundedEmbedding(nn.Embedding):
    """What SparseML makes of an Embedding, for which torch has no such module."""

    def forward(self, ids):
        rows = nn.functional.embedding(ids, self.weight_fake_quant(self.weight), self.padding_idx)
        return self.activation_post_process(rows)


def wrapped_by_torch(model):
    """Wrappers, fake quantizers and observers, named and set as SparseML's legacy modifier does for BERT."""
    from torch.ao import quantization as ao

    def fake(signed):
        low, high, kind = (-128, 127, torch.qint8) if signed else (0, 255, torch.quint8)
        scheme = torch.per_tensor_symmetric if signed else torch.per_tensor_affine
        return ao.FakeQuantize.with_args(
            observer=ao.MovingAverageMinMaxObserver, quant_min=low, quant_max=high, dtype=kind, qscheme=scheme
        )

    for name, module in list(model.named_modules()):
        parent = model.get_submodule(name.rpartition(".")[0])
        if isinstance(module, nn.Linear):
            wrapper = ao.QuantWrapper(module)
            wrapper.qconfig = ao.QConfig(activation=fake(False), weight=fake(True))
            module.qconfig = ao.QConfig(activation=nn.Identity, weight=fake(True))
            setattr(parent, name.rpartition(".")[2], wrapper)
        elif isinstance(module, nn.Embedding):
            module.__class__ = RoundedEmbedding
            module.weight_fake_quant, module.activation_post_process = fake(True)(), fake(False)()
    return ao.prepare_qat(model.train(), {nn.Linear: nn.qat.Linear})


@pytest.fixture(scope="module")
def theirs():
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=80,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        id2label=dict(enumerate(LABELS)),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertForTokenClassification(config)
    for weight in [p for n, p in model.named_parameters() if ".query.weight" in n]:
        weight.data[:, ::2] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = wrapped_by_torch(model)
        with torch.no_grad():
            for seed in range(3):
                model(input_ids=torch.randint(0, 80, (4, 9), generator=torch.Generator().manual_seed(seed)))
                for parameter in model.parameters():  # as if trained: scales of weights lag behind them
                    parameter.mul_(1.02)
    model.apply(torch.ao.quantization.disable_observer)
    return model.eval()


@pytest.fixture
def folder(theirs, tmp_path):
    theirs.config.architectures = ["BertForTokenClassification"]
    theirs.config.save_pretrained(tmp_path)
    save_file({n: t.clone().contiguous() for n, t in theirs.state_dict().items()}, tmp_path / "model.safetensors")
    (tmp_path / "recipe.yaml").write_text("modifiers:\n  - !Nothing\n")  # never looked at
    return tmp_path


def test_the_names_are_those_of_wrappers_and_observers(theirs):
    names = set(theirs.state_dict())
    query = "bert.encoder.layer.0.attention.self.query"
    assert {
        f"{query}.module.weight",
        f"{query}.module.weight_fake_quant.scale",
        f"{query}.quant.activation_post_process.activation_post_process.min_val",
        "classifier.module.bias",
        "bert.embeddings.word_embeddings.weight_fake_quant.zero_point",
        "bert.embeddings.word_embeddings.activation_post_process.scale",
    } <= names


def test_it_computes_what_it_computed_there(theirs, folder):
    ours = open_pretrained(folder, LABELS, 0.0, 3).eval()
    with torch.no_grad():
        wanted, found = (model(input_ids=IDS).logits for model in (theirs, ours))
    float_model = open_pretrained(folder, LABELS, 0.0, 3)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-6), (found - wanted).abs().max()
    assert not torch.allclose(_float_logits(float_model), wanted, rtol=0, atol=1e-4)


def test_it_arrives_with_its_zeros_and_its_scales(theirs, folder):
    ours = open_pretrained(folder, LABELS, 0.0, 3)
    assert prunable_sparsity(ours) == pytest.approx(2 * 128 / (2 * (4 * 256 + 2 * 512)))
    query = "bert.encoder.layer.0.attention.self.query"
    scale = theirs.get_submodule(f"{query}.module").weight_fake_quant.scale
    assert quantization.scheme_of(ours.get_submodule(query)).weights.scale == float(scale)
    assert all(observer.frozen for _, observer in quantization.observers(ours))


def test_it_is_saved_in_our_own_way_and_means_the_same(theirs, folder, tmp_path):
    ours = open_pretrained(folder, LABELS, 0.0, 3)
    save_model(ours, observed_structure(ours, {}), tmp_path / "ours")
    with torch.no_grad():
        assert torch.equal(open_model(tmp_path / "ours")(input_ids=IDS).logits, ours.eval()(input_ids=IDS).logits)
    schemes = json.loads((tmp_path / "ours" / "structure.json").read_text())["schemes"]
    assert "classifier" in schemes


def test_what_was_saved_as_a_pickle_is_the_same(theirs, folder, tmp_path):
    from sparsebuild.providers.unpickle import main

    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert main(str(tmp_path / "pytorch_model.bin"), str(folder / "model.safetensors")) == 0
    ours = open_pretrained(folder, LABELS, 0.0, 3).eval()
    with torch.no_grad():
        assert torch.allclose(ours(input_ids=IDS).logits, theirs(input_ids=IDS).logits, rtol=0, atol=1e-6)


def test_training_goes_on_with_the_scales_that_it_came_with(folder):
    ours = open_pretrained(folder, LABELS, 0.0, 3).train()
    before = observed_structure(ours, {})
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        ours(input_ids=IDS, labels=IDS % 3).loss.backward()
        optimizer.step()
    assert observed_structure(ours, {}) == before


def test_its_integers_are_those_of_the_scales(theirs, folder):
    from sparsebuild.training.integers import integer_copy

    exported = integer_copy(open_pretrained(folder, LABELS, 0.0, 3)).get_submodule("classifier")
    module = theirs.get_submodule("classifier.module")
    assert torch.equal(
        exported.weight_int8.t().float() * exported.weight_scale, module.weight_fake_quant(module.weight)
    )


@pytest.mark.parametrize("kind", ["affine", "symmetric"])
def test_ranges_of_signed_integers_are_what_they_were(kind):
    """As in recipes with a scheme, where all values are int8."""
    from torch.ao import quantization as ao

    fake = ao.FakeQuantize(
        observer=ao.MovingAverageMinMaxObserver, quant_min=-128, quant_max=127, dtype=torch.qint8,
        qscheme=getattr(torch, f"per_tensor_{kind}"),
    )  # fmt: skip
    values = torch.linspace(-3, 2, 500)
    wanted = fake(values)
    tensors = {f"encoder.query.quant.activation_post_process.{name}": t for name, t in fake.state_dict().items()}
    tensors["encoder.query.module.weight_fake_quant.scale"] = torch.tensor([0.1])
    low, high = wrapped_structure(tensors).ranges["encoder.query.input_quantizer"]
    scale, zero_point = activation_parameters(torch.tensor(low), torch.tensor(high))
    found = ((values / scale + zero_point).round().clamp(0, 255) - zero_point) * scale
    assert (found - wanted).abs().max() <= scale * 1.01
    assert (found.min() < -2.9, found.max() > 1.9) == (True, True)


def test_a_scale_for_each_channel_is_refused_by_name():
    with pytest.raises(UserError, match=r"`a\.module\.weight_fake_quant\.scale` has 2 scales"):
        wrapped_structure({"a.module.weight_fake_quant.scale": torch.ones(2)})


def test_what_only_its_input_is_rounded_of_arrives_too():
    scale = {"scale": torch.tensor([0.1]), "zero_point": torch.tensor([3])}
    tensors = {f"embeddings.LayerNorm.quant.activation_post_process.{name}": t for name, t in scale.items()}
    found = wrapped_structure(tensors)
    assert found.others == ("embeddings.LayerNorm",)
    assert found.plan["embeddings.LayerNorm"].inputs is not None


def test_heads_of_another_task_leave_nothing_behind(theirs, folder):
    """A pooler that a token classifier does not have, and a head for other classes: the fresh one is not rounded."""
    tensors = {name: t.clone().contiguous() for name, t in theirs.state_dict().items()}
    of_query = [name for name in tensors if name.startswith("bert.encoder.layer.0.attention.self.query.")]
    place = "bert.encoder.layer.0.attention.self.query"
    tensors |= {name.replace(place, "bert.pooler.dense"): tensors[name].clone() for name in of_query}
    save_file(tensors, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["BertForSequenceClassification"]
    (folder / "config.json").write_text(json.dumps(config))
    ours = open_pretrained(folder, [*LABELS, "B-place", "I-place"], 0.0, 3)
    assert type(ours.classifier) is nn.Linear
    assert ours.classifier.out_features == 5
    assert "bert.encoder.layer.0.attention.self.query" in dict(quantization.quantized_modules(ours))


def test_operands_of_the_forked_attention_are_found():
    def observer(stub, low, high, scale, zero_point):
        seen = {"activation_post_process.min_val": low, "activation_post_process.max_val": high}
        values = {"scale": [scale], "zero_point": [zero_point], **seen}
        return {f"{stub}.activation_post_process.{name}": torch.tensor(value) for name, value in values.items()}

    attention = "bert.encoder.layer.0.attention.self"
    tensors = {
        **observer(f"{attention}.attention_scores_matmul.input_quant_stubs.0", -1.0, 4.1, 5.1 / 255, 50),
        **observer(f"{attention}.attention_scores_matmul.input_quant_stubs.1", -9.0, 9.0, 0.5, 128),
        **observer(f"{attention}.attention_scores_matmul.output_quant_stubs.0", -9.0, 9.0, 0.5, 128),
        **observer(f"{attention}.context_layer_matmul.input_quant_stubs.0", 0.0, 1.0, 1 / 255, 0),
        **observer(f"{attention}.context_layer_matmul.input_quant_stubs.1", -9.0, 9.0, 0.25, 128),
    }
    structure = wrapped_structure(tensors)
    assert structure.attentions == (attention,)
    assert structure.ranges == {
        f"{attention}.query_quantizer": (-1.0, pytest.approx(4.1)),
        f"{attention}.key_quantizer": (-64.0, 63.5),
        f"{attention}.probability_quantizer": (0.0, 1.0),
        f"{attention}.value_quantizer": (-32.0, 31.75),
    }


def _float_logits(model):
    from transformers import BertForTokenClassification

    plain = BertForTokenClassification(model.config).eval()
    plain.set_attn_implementation("sdpa")
    plain.load_state_dict(dict(model.named_parameters()))
    with torch.no_grad():
        return plain(input_ids=IDS).logits
