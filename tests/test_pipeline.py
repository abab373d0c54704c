"""What the graph takes from the lock of a dataset, from the recipe and from the teacher."""

from dataclasses import replace

import pytest

from sparsebuild import recipe
from sparsebuild.errors import ManifestError
from sparsebuild.lock import Lock, LockedFile, LockedSource
from sparsebuild.manifest import parse
from sparsebuild.pipeline import RecipeFacts, graph, recipe_facts

MANIFEST = """\
[project]
name = "p"

[model]
source = "hf:org/model"

[data]
source = "hf:org/rows"
"""
FILES = (LockedFile(path="a.jsonl", size=1, sha256="a" * 64),)


def lock(has_test):
    sources = [LockedSource(name="model", kind="hf-model", request="hf:org/model", files=FILES)]
    for split in ("train", "validation", "test"):
        files = FILES if split != "test" or has_test else ()
        request, labels = f"hf:org/rows?split={split}", {"ner_tags": ("O", "B-X")} if files else {}
        sources.append(LockedSource(name=f"data.{split}", kind="hf-data", request=request, labels=labels, files=files))
    return Lock(sources=tuple(sources))


def prepare(manifest, has_test=True):
    return graph(parse(manifest), lock(has_test))["prepare"]


def test_class_labels_of_the_dataset_are_the_label_table_unless_the_user_has_one():
    assert prepare(MANIFEST).params["labels"] == ["O", "B-X"]
    assert prepare(MANIFEST + 'labels = ["B-X", "O"]\n').params["labels"] == ["B-X", "O"]
    assert "labels" not in prepare(MANIFEST + 'label_column = "tags"\n').params


def test_a_split_of_a_dataset_that_numbers_its_tags_otherwise_brings_its_own_table():
    own = [replace(s, labels={"ner_tags": ("B-X", "O")}) if s.name == "data.test" else s for s in lock(True).sources]
    made = [graph(parse(text), Lock(sources=tuple(own))) for text in (MANIFEST, MANIFEST + 'labels = ["O", "B-X"]\n')]
    assert [action["prepare"].params.get("tables") for action in made] == [{"test": ["B-X", "O"]}, None]
    assert "tables" not in prepare(MANIFEST).params


def test_a_split_that_is_not_there_is_neither_fetched_nor_measured():
    made = {has: graph(parse(MANIFEST), lock(has)) for has in (True, False)}
    assert {action.name for action in made[True]} - {action.name for action in made[False]} == {"fetch@data.test"}
    judged = {has: {i.path for i in made[has]["eval"].inputs} for has in made}
    assert judged[True] - judged[False] == {"test"}


def facts(entry):
    document = recipe.read(f"modifiers:\n  - !{entry}\n", "r.yaml")
    resolved = recipe.resolve(document)
    linears = ["bert.encoder.layer.0.output.dense", "classifier"]
    return recipe_facts(resolved, recipe.places(document, resolved, {}), linears)


def inputs(manifest, entry, target):
    made = graph(parse(manifest), lock(has_test=False), facts(entry))
    return {i.name: (i.action, i.path) for i in made[target].inputs}


SELF = MANIFEST + '[teacher]\nsource = "self"\n'
KD = "DistillationModifier {hardness: 1.0}"
PLAIN = "EpochRangeModifier {start_epoch: 0.0, end_epoch: 1.0}"


def test_a_teacher_that_is_the_model_itself_is_where_training_starts():
    assert inputs(SELF, KD, "teach")["teacher"] == ("fetch@model", "")
    assert inputs(SELF, KD, "train")["teach"] == ("teach", "")
    assert inputs(SELF, KD, "eval")["teacher"] == ("fetch@model", "")


@pytest.mark.parametrize(
    ("entry", "is_live"),
    [
        (KD, False),
        ("DistillationModifier {hidden_states: 0.3}", False),
        ("DistillationModifier {distill_mask: false}", True),
        ("PerLayerDistillationModifier {gain: 1.0}", True),
    ],
)
def test_training_reads_the_teacher_itself_only_where_it_asks_it_at_every_step(entry, is_live):
    assert ("teacher" in inputs(SELF, entry, "train")) == is_live


def test_a_teacher_that_is_asked_at_every_step_works_in_one_process():
    live = facts("PerLayerDistillationModifier {gain: 1.0}")
    with pytest.raises(ManifestError, match=r"`train\.num_processes` is 2, but the recipe asks the teacher"):
        graph(parse(SELF + "[train]\nnum_processes = 2\n"), lock(has_test=False), live)
    graph(parse(SELF + "[train]\nnum_processes = 2\n"), lock(has_test=False), facts(KD))


def test_what_the_export_would_refuse_is_refused_before_training():
    eight = facts("QuantizationModifier {weight_levels: 127}")
    with pytest.raises(ManifestError) as caught:
        graph(parse(MANIFEST), lock(has_test=False), eight)
    assert str(caught.value) == (
        'error: the recipe trains weights of 8 bits (r.yaml:2), and `export.scheme` is "portable", which holds 7\n\n'
        'hint: write `export.scheme = "ort-cpu"`, or `weight_levels: 63` in the recipe'
    )
    graph(parse(MANIFEST + '[export]\nscheme = "ort-cpu"\n'), lock(has_test=False), eight)
    graph(parse(MANIFEST), lock(has_test=False), facts("QuantizationModifier {weight_bits: 4}"))


def test_weights_that_arrive_with_more_bits_than_the_file_holds_are_refused_before_training():
    kept = facts("QuantizationModifier {weight_levels: 63}")
    with pytest.raises(ManifestError) as caught:
        graph(parse(MANIFEST), lock(has_test=False), kept, arriving_bits=lambda: 8)
    assert str(caught.value) == (
        "error: the model that training starts from is quantized, with weights of 8 bits that stay so, and "
        '`export.scheme` is "portable", which holds 7\n\n'
        'hint: write `export.scheme = "ort-cpu"`, or start from the model as it was before quantization'
    )
    graph(parse(MANIFEST), lock(has_test=False), kept, arriving_bits=lambda: 7)
    graph(parse(MANIFEST + '[export]\nscheme = "ort-cpu"\n'), lock(has_test=False), kept, arriving_bits=lambda: 8)


ASYMMETRIC = "scheme: {weights: {num_bits: 8, strategy: channel}}"


@pytest.mark.parametrize("more", ["", "scheme_overrides: {classifier: {weights: {symmetric: true}}}"])
def test_asymmetric_weights_are_refused_for_tensorrt_before_training(more):
    manifest = parse(MANIFEST + '[export]\nscheme = "tensorrt"\n')
    with pytest.raises(ManifestError) as caught:
        graph(manifest, lock(has_test=False), facts(f"QuantizationModifier {{{ASYMMETRIC}, {more}}}"))
    assert str(caught.value) == (
        'error: the recipe trains asymmetric weights (r.yaml:2), and `export.scheme` is "tensorrt", which holds '
        'symmetric ones\n\nhint: write `symmetric: true` under `weights` in the recipe, or `export.scheme = "ort-cpu"`'
    )
    of_tables = f"scheme_overrides: {{bert.embeddings: {ASYMMETRIC.removeprefix('scheme: ')}}}"
    graph(manifest, lock(has_test=False), facts(f"QuantizationModifier {{scheme: default, {of_tables}}}"))


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (None, "there is no recipe"),
        (facts(PLAIN), "the recipe has no QuantizationModifier"),
        (
            facts("QuantizationModifier {start_epoch: 2}"),
            "the recipe has no QuantizationModifier that quantizes weights of Linears before training ends",
        ),
        *(
            (
                facts(f"QuantizationModifier {{start_epoch: 0, {left_out}}}"),
                "the recipe has no QuantizationModifier that quantizes weights of Linears before training ends",
            )
            for left_out in (
                "submodules: []",
                "submodules: [bert.embeddings]",
                "exclude_module_types: [Linear]",
                "ignore: [Linear]",
                "ignore: [bert, classifier]",
                "scheme: {weights: null}",
            )
        ),
    ],
)
def test_a_scheme_of_integers_wants_a_model_that_is_quantized(recipe, told):
    with pytest.raises(ManifestError, match=rf'`export\.scheme` is "portable", which writes int8, but {told} and the'):
        graph(parse(MANIFEST), lock(has_test=False), recipe, starts_float=lambda: True)
    graph(parse(MANIFEST), lock(has_test=False), recipe, starts_float=lambda: False)
    graph(parse(MANIFEST + '[export]\nscheme = "fp32"\n'), lock(has_test=False), recipe, starts_float=lambda: True)


def trained(scheme, quantizes=True):
    """The settings of `train` in a project that exports `scheme`."""
    recipe = RecipeFacts(modifiers={}, needs_teacher=False, needs_hidden_states=False, weight_bits=7 * quantizes)
    manifest = MANIFEST + f'[recipe]\nsource = "r.yaml"\n[export]\nscheme = "{scheme}"\n'
    return graph(parse(manifest), lock(True), recipe)["train"].params


def test_quantization_trains_for_the_scheme_that_is_exported():
    assert trained("portable") == trained("fp32") == trained("fp16") == {"recipe": {}}
    assert trained("ort-cpu")["file_grid"] == {"weight_levels": 127}
    assert trained("tensorrt")["file_grid"] == {"weight_levels": 127, "symmetric_activations": True}
    assert trained("tensorrt", quantizes=False) == {"recipe": {}}


def test_what_a_card_tells_of_the_documents_is_a_setting_of_the_gate_alone():
    bench = '[bench]\nruntimes = ["onnxruntime", "deepsparse"]\n[bench.python]\ndeepsparse = "../old/bin/python"\n'
    manifest = f"{MANIFEST}[train]\nseed = 7\n{bench}"
    facts = graph(parse(manifest), lock(True))["gate"].params["facts"]
    assert "../old" not in str(facts)
    assert (facts["project"], facts["base"]) == ("p", "model")
    assert facts["settings"]["train"] == {"seed": 7}
    assert [source["name"] for source in facts["sources"]] == [source.name for source in lock(True).sources]


TIMED = "StructuredPruningModifier {targets: {latency: 0.25}}"
QUANTIZED = "QuantizationModifier {start_epoch: 1.0}"


def profile(manifest, *entries):
    recipe = facts("\n  - !".join(entries)) if entries else None
    return graph(parse(manifest), lock(has_test=False), recipe)["profile"]


@pytest.mark.parametrize(
    ("entry", "is_read"), [(TIMED, True), ("StructuredPruningModifier {targets: {flops: 0.25}}", False)]
)
def test_training_reads_kernel_times_only_for_a_budget_of_time(entry, is_read):
    read = inputs(MANIFEST, entry, "train").get("profile")
    assert read == (("profile", "layers.json") if is_read else None)


def test_a_table_of_kernel_times_is_kept_while_nothing_changes_that_kernels_follow_from():
    before = profile(MANIFEST, TIMED, QUANTIZED)
    assert [(i.action, i.path) for i in before.inputs] == [("fetch@model", "config.json")]
    assert before.params == {"recipe": {"modifiers": {"QuantizationModifier": [{}]}}}
    unlike = MANIFEST + '[train]\nseed = 7\n[bench]\nshapes = ["1x128", "8x64"]\nseconds = 9.0\n'
    assert profile(unlike, TIMED.replace("0.25", "0.5"), QUANTIZED.replace("1.0", "2.0")).params == before.params
    for more in ('[bench]\nshapes = ["8x64"]\n', "[bench]\nthreads = 2\n", '[export]\nscheme = "ort-cpu"\n'):
        assert profile(MANIFEST + more, TIMED, QUANTIZED).params != before.params
    assert profile(MANIFEST, TIMED, "QuantizationModifier {quantize_attention: false}").params != before.params


def test_the_config_is_that_of_the_model_that_training_starts_from():
    trained = '[teacher]\nsource = "target:teacher"\n[teacher.train]\nfrom = "hf:org/model"\n'
    manifest = MANIFEST.replace('source = "hf:org/model"', 'source = "target:teacher"', 1) + trained
    start = LockedSource(name="teacher.train", kind="hf-model", request="hf:org/model", files=FILES)
    locked = Lock(sources=(*lock(has_test=False).sources, start))
    read = graph(parse(manifest), locked, facts(TIMED))["profile"].inputs
    assert [(i.action, i.path) for i in read] == [("teacher", "model/config.json")]


TO_TRAIN = '[teacher]\nsource = "target:teacher"\n[teacher.train]\nfrom = "hf:org/other"\n'


@pytest.mark.parametrize(
    ("teacher", "source", "looked_at"),
    [
        ('[teacher]\nsource = "hf:org/other"\n', "teacher", {"teacher"}),
        (TO_TRAIN, "teacher.train", {"teacher.train"}),
        ('[teacher]\nsource = "self"\n', "", set()),
        ('teacher = "disable"\n', "", set()),
        ("", "", set()),
    ],
)
@pytest.mark.parametrize("entry", [KD, PLAIN])
def test_whether_a_teacher_can_serve_is_seen_before_anything_is_trained(teacher, source, looked_at, entry):
    if (teacher, entry) == ("", KD):
        return  # refused
    start = LockedSource(name=source, kind="hf-model", request="hf:org/other", files=FILES)
    locked = Lock(sources=(*lock(has_test=False).sources, *([start] if source else ())))
    manifest = teacher + MANIFEST if teacher.startswith("teacher =") else MANIFEST + teacher
    read = {i.name: i.action for i in graph(parse(manifest), locked, facts(entry))["prepare"].inputs}
    assert {name for name in read if name.startswith("teacher")} == looked_at
    assert all(read[name] == f"fetch@{name}" for name in looked_at)


# ---- variants

VARIANTS = """
[recipe]
source = "r.yaml"
[variant.small]
recipe.args = { ffn = 384 }
[variant.other]
recipe.source = "other.yaml"
train.seed = 3
export.scheme = "fp32"
gate.f1 = ">= 0.4"
"""
RECIPES = tuple(
    LockedSource(name=name, kind="file-recipe", request=f"file:{file}", files=FILES)
    for name, file in (("recipe", "r.yaml"), ("recipe.other", "other.yaml"))
)
OWN = ("train", "eval", "export", "gate", "bench", "sensitivity", "report")


def locked_with_recipes(names=("recipe", "recipe.other")):
    known = lock(has_test=False)
    return Lock(sources=(*known.sources, *(source for source in RECIPES if source.name in names)))


def varied(manifest=SELF + VARIANTS, **recipes):
    """The graph of a project with variants, whose recipes distil unless said otherwise."""
    known = {name: recipes.get(name, facts(KD)) for name in ("plain", "small", "other")}
    return graph(parse(manifest), locked_with_recipes(), known.pop("plain"), variants=known)


def question(action):
    """What a fingerprint is made of, but for the bytes of its inputs."""
    return (action.step, dict(action.params), action.inputs, dict(action.sources), action.folder)


def test_each_variant_has_targets_and_folders_of_its_own_and_shares_the_rest():
    made = varied()
    assert {f"{step}@{name}" for step in OWN for name in ("small", "other")} < set(made.names)
    assert [name for name in made.names if name.startswith(("prepare", "teach"))] == ["prepare", "teach"]
    assert {i.action for i in made["train@small"].inputs} == {"fetch@model", "prepare", "teach"}
    assert {i.action for i in made["gate@small"].inputs} == {"eval@small", "export@small", "train@small"}
    assert made["train@small"].folder == "build/variants/small/train"
    assert made["gate@small"].folder == "build/variants/small/export"
    assert set(made.usual) >= {"gate", "gate@small", "gate@other"}
    assert made.named("train") == ("train",)
    assert made.named("gate@*") == ("gate@small", "gate@other")


def test_variants_ask_nothing_else_of_the_project_itself():
    text = SELF + VARIANTS
    alone = graph(parse(text[: text.index("[variant")]), locked_with_recipes(["recipe"]), facts(KD))
    made = varied()
    assert {name: question(made[name]) for name in alone.names if name != "report"} == {
        name: question(alone[name]) for name in alone.names if name != "report"
    }
    assert "compare" not in alone.names
    assert "variant" not in alone["gate"].params["facts"]


def test_a_value_of_one_variant_changes_its_targets_alone():
    before, after = varied(), varied(SELF + VARIANTS.replace("seed = 3", "seed = 4"))
    differ = [name for name in before.names if question(before[name]) != question(after[name])]
    assert differ == ["train@other", "gate@other"]  # the card of `gate` tells the settings


def test_the_teacher_is_asked_for_what_any_of_them_needs():
    plain = facts(PLAIN)
    made = varied(plain=plain, small=plain, other=facts("DistillationModifier {hidden_states: 0.3}"))
    assert made["teach"].params == {"hidden_states": True}
    reads = {name: "teach" in {i.action for i in made[name].inputs} for name in ("train", "train@small", "train@other")}
    assert reads == {"train": False, "train@small": False, "train@other": True}
    assert "teach" not in varied(plain=plain, small=plain, other=plain).names


def test_what_is_told_of_a_variant_is_its_own():
    made = varied()
    told = made["gate@other"].params["facts"]
    assert (told["variant"], told["settings"]["train"]) == ("other", {"seed": 3})
    assert [s["request"] for s in told["sources"] if s["name"] == "recipe"] == ["file:other.yaml"]
    assert [s["request"] for s in made["gate"].params["facts"]["sources"] if "recipe" in s["name"]] == ["file:r.yaml"]
    assert made["report@other"].params["project"] == "p@other"


def test_faults_of_a_variant_name_it():
    with pytest.raises(ManifestError, match=r"^error: the recipe of the variant `small` distils, but sparse\.toml"):
        varied(MANIFEST + VARIANTS, plain=facts(PLAIN), other=facts(PLAIN))
    with pytest.raises(ManifestError, match=r"^error: the recipe of the variant `small` trains weights of 8 bits"):
        varied(small=facts("QuantizationModifier {weight_levels: 127}"))


def test_a_gate_that_asks_for_speed_needs_no_other_variant():
    made = varied(SELF + VARIANTS.replace("gate.f1", "gate.speedup"))
    assert "bench@other" in made.select(["gate@other"])
    assert not [name for name in made.select(["gate@other"]) if name in ("train", "train@small", "compare")]
    assert {"export", "export@small", "export@other"} <= set(made.select(["compare"]))
