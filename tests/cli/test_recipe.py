"""cli/recipe.py: what a recipe does, without doing it."""

import errno
import json
import os
import struct
import subprocess
import sys

import pytest

from sparsebuild.cli.recipe import arguments, format_
from sparsebuild.errors import UserError
from sparsebuild.providers.builtin import builtin_recipe

RECIPE = """\
num_epochs: 6
pruning_modifiers:
  - !EpochRangeModifier
      start_epoch: 0.0
      end_epoch: eval(num_epochs)
"""

OPEN = """\
modifiers:
  - !QuantizationModifier {start_epoch: 0, disable_quantization_observer_epoch: 1}
  - !ConstantPruningModifier {}
"""


def put_weights(project):
    """Weights that are only a header: a linear layer of the encoder and a table."""
    tensors = {"embeddings.word_embeddings.weight": [4, 2], "encoder.layer.0.output.dense.weight": [2, 2]}
    ends = {"embeddings.word_embeddings.weight": [0, 32], "encoder.layer.0.output.dense.weight": [32, 48]}
    header = {n: {"dtype": "F32", "shape": shape, "data_offsets": ends[n]} for n, shape in tensors.items()}
    text = json.dumps(header).encode()
    (project / "model" / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(48))


def test_a_schedule_is_shown_with_its_arguments(tmp_path, sparsebuild):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    ran = sparsebuild("recipe", "show", "recipe.yaml", "--arg", "num_epochs=3", "--json", cwd=tmp_path)
    assert list(ran.json)[:4] == ["schema_version", "file", "epochs", "phases"]
    assert (ran.json["epochs"], ran.json["phases"][0]["end"]) == (3, 3)
    assert ran.json["modifiers"] == {"EpochRangeModifier": [{"start_epoch": 0.0, "end_epoch": 3}]}


def test_the_table_has_a_drawing(tmp_path, sparsebuild):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    ran = sparsebuild("recipe", "show", "recipe.yaml", cwd=tmp_path)
    assert "EpochRangeModifier   0 – 6    ━━━━━━━━━━━━━━━━━━━━━━━━" in ran.out


def test_a_wrong_recipe_is_2_and_points_at_the_line(tmp_path, sparsebuild):
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("EpochRange", "EpochRnage"))
    ran = sparsebuild("recipe", "show", "recipe.yaml", cwd=tmp_path)
    assert ran.code == 2
    assert "--> recipe.yaml:3:5" in ran.err


def test_a_recipe_that_is_not_there_is_2(tmp_path, sparsebuild):
    ran = sparsebuild("recipe", "show", "no.yaml", cwd=tmp_path)
    assert (ran.code, ran.err) == (2, "error: `no.yaml` cannot be read: No such file or directory\n")


def test_arguments_are_numbers_where_they_look_like_it():
    assert arguments(["a=1", "b=0.5", "c=true", "d=linear", "e=[1, 2]", "f=x=y"]) == {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": "linear",
        "e": [1, 2],
        "f": "x=y",
    }


@pytest.mark.parametrize("pair", ["a", "=1", ""])
def test_what_is_no_pair_is_refused(pair):
    with pytest.raises(UserError):
        arguments([pair])


def test_rate_sparsity_and_int8_are_drawn(sparsebuild):
    ran = sparsebuild("recipe", "show", "builtin:pruned80-quant")
    heads = [line.split("│")[0].split() for line in ran.out.splitlines() if "│" in line]
    assert ["sparsity", "80", "%"] in heads
    assert ["int8"] in heads
    drawn = sparsebuild("recipe", "show", "builtin:pruned80-quant", "--json").json["course"]
    assert (drawn["sparsity"][-1], drawn["quantized"][:2], drawn["quantized"][-1]) == (0.8, [False, False], True)
    assert max(rate for rate in drawn["learning_rate"] if rate) < 5e-4


def test_a_recipe_is_printed_as_it_is_written(sparsebuild):
    ran = sparsebuild("recipe", "show", "builtin:quant", "--text")
    assert ran.out == builtin_recipe("builtin:quant").read_text()


def test_in_a_project_its_own_recipe_is_shown_with_what_it_means_there(project, sparsebuild):
    put_weights(project)
    sparsebuild("lock", cwd=project)
    found = sparsebuild("-C", project, "recipe", "show", "--json").json
    names = [one["names"] for one in found["matches"] if one["text"] == "__ALL_PRUNABLE__"]
    assert names == [["bert.encoder.layer.0.output.dense.weight", "classifier.weight"]]
    ran = sparsebuild("recipe", "check", cwd=project)
    assert ran.out == "recipe.yaml: 3 modifiers, 2 epochs, and every name that it holds is one of the model's\n"


@pytest.mark.parametrize(("scheme", "bits"), [("portable", 7), ("ort-cpu", 8), ("tensorrt", 8)])
def test_in_a_project_the_bits_are_those_that_its_export_scheme_trains(scheme, bits, project, sparsebuild):
    with (project / "sparse.toml").open("a") as manifest:
        manifest.write(f'\n[export]\nscheme = "{scheme}"\n')
    phases = sparsebuild("recipe", "show", "--json", cwd=project).json["phases"]
    assert f"int8 in training, {bits} bits of the weights; ranges are learned" in [phase["value"] for phase in phases]


def test_a_recipe_without_an_end_ends_with_the_training_of_its_project(project, sparsebuild):
    (project / "recipe.yaml").write_text(OPEN)
    manifest = (project / "sparse.toml").read_text()
    (project / "sparse.toml").write_text(manifest.replace("[train]", "[train]\nnum_train_epochs = 2.5"))
    found = sparsebuild("recipe", "show", "--json", cwd=project).json
    assert (found["epochs"], [phase["end"] for phase in found["phases"]]) == (3, [1, 3, 3])
    assert found["course"]["quantized"] == [True] * 100
    assert sparsebuild("recipe", "check", cwd=project).out == "recipe.yaml: 2 modifiers, 3 epochs\n"


def test_of_a_recipe_without_an_end_none_is_made_up(tmp_path, sparsebuild):
    (tmp_path / "recipe.yaml").write_text(OPEN)
    rows = sparsebuild("recipe", "show", "recipe.yaml", cwd=tmp_path).out.splitlines()[3:6]
    assert all(f" {told}  " in row for told, row in zip(("0 – 1", "0 to the end", "1 to the end"), rows, strict=True))
    found = sparsebuild("recipe", "show", "recipe.yaml", "--json", cwd=tmp_path).json
    assert (found["epochs"], found["course"]) == (None, {})
    assert [phase["end"] for phase in found["phases"]] == [1, None, None]


def test_of_a_variant_the_bits_are_those_that_its_own_scheme_trains(project, sparsebuild):
    with (project / "sparse.toml").open("a") as manifest:
        manifest.write('\n[variant.cpu.export]\nscheme = "ort-cpu"\n')
    phases = sparsebuild("recipe", "show", "--variant", "cpu", "--json", cwd=project).json["phases"]
    assert "int8 in training, 8 bits of the weights; ranges are learned" in [phase["value"] for phase in phases]


def test_a_name_that_means_nothing_is_refused_before_anything_is_built(project, sparsebuild):
    put_weights(project)
    written = (project / "recipe.yaml").read_text()
    (project / "recipe.yaml").write_text(written.replace("__ALL_PRUNABLE__", "['re:roberta.*']"))
    ran = sparsebuild("run", cwd=project)
    assert ran.code == 2
    assert "GlobalMagnitudePruningModifier: `re:roberta.*` means no parameter of the model" in ran.err
    assert "--> recipe.yaml:12:16" in ran.err
    assert not (project / "build").exists()


def test_a_recipe_that_quantizes_nothing_is_refused_before_anything_is_built(project, sparsebuild):
    put_weights(project)
    (project / "recipe.yaml").write_text((project / "recipe.yaml").read_text().partition("quantization_modifiers")[0])
    for words in (["run"], ["run", "-n"]):
        ran = sparsebuild(*words, cwd=project)
        assert ran.code == 2
        assert "but the recipe has no QuantizationModifier and the model that training starts from" in ran.err
    assert not (project / "build").exists()
    (project / "model" / "structure.json").write_text('{"linears": ["encoder.layer.0.output.dense"]}')
    assert sparsebuild("run", "-n", cwd=project).code == 0


def test_a_recipe_that_is_named_is_shown_beside_a_manifest_that_is_wrong(tmp_path, sparsebuild):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "sparse.toml").write_text("[project")
    assert sparsebuild("recipe", "check", "recipe.yaml", cwd=tmp_path).out == "recipe.yaml: 1 modifier, 6 epochs\n"
    assert sparsebuild("recipe", "check", cwd=tmp_path).code == 2


def test_variables_are_listed_with_their_uses(tmp_path, sparsebuild):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    ran = sparsebuild("recipe", "args", "recipe.yaml", "--arg", "num_epochs=3", cwd=tmp_path)
    assert ran.out.splitlines()[-1].split() == ["num_epochs", "6", "3", "1", "EpochRangeModifier.end_epoch", "5"]
    (found,) = sparsebuild("recipe", "args", "recipe.yaml", "--json", cwd=tmp_path).json["variables"]
    assert found["used"] == [{"in": "EpochRangeModifier.end_epoch", "where": "recipe.yaml:5:18"}]


def test_a_recipe_is_laid_out_anew_once(tmp_path, sparsebuild):
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("  - !", "- !"))
    ran = sparsebuild("recipe", "format", "recipe.yaml", "--check", cwd=tmp_path)
    assert (ran.code, ran.err.split("\n")[0]) == (2, "error: `recipe.yaml` is laid out in another way")
    assert sparsebuild("recipe", "format", "recipe.yaml", cwd=tmp_path).code == 0
    assert (tmp_path / "recipe.yaml").read_text() == RECIPE
    assert sparsebuild("recipe", "format", "recipe.yaml", "--check", cwd=tmp_path).code == 0


@pytest.mark.parametrize(("name", "around"), [("r.yaml", ""), ("r.md", "---\r\n")])
def test_what_an_editor_of_windows_wrote_keeps_its_lines_and_loses_its_mark(name, around, tmp_path, sparsebuild):
    untidy, tidy = (around + text.replace("\n", "\r\n") + around for text in (RECIPE.replace("  - !", "- !"), RECIPE))
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + untidy.encode())
    assert sparsebuild("recipe", "format", name, cwd=tmp_path).code == 0
    assert (tmp_path / name).read_bytes() == tidy.encode()


def test_format_on_a_full_disk_leaves_the_recipe(tmp_path, monkeypatch):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(before := RECIPE.replace("  - !", "- !"))

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        format_(recipe)
    assert ([*tmp_path.iterdir()], recipe.read_text()) == ([recipe], before)


def test_format_keeps_the_mode_and_writes_through_a_link(tmp_path, sparsebuild):
    (tmp_path / "real.yaml").write_text(RECIPE.replace("  - !", "- !"))
    (tmp_path / "real.yaml").chmod(0o600)
    (tmp_path / "recipe.yaml").symlink_to("real.yaml")
    assert sparsebuild("recipe", "format", "recipe.yaml", cwd=tmp_path).code == 0
    assert (tmp_path / "recipe.yaml").is_symlink()
    assert ((tmp_path / "real.yaml").read_text(), (tmp_path / "real.yaml").stat().st_mode & 0o777) == (RECIPE, 0o600)


def test_two_recipes_are_compared_setting_by_setting(tmp_path, sparsebuild):
    (tmp_path / "a.yaml").write_text(RECIPE)
    (tmp_path / "b.yaml").write_text(RECIPE.replace("num_epochs: 6", "# longer\nnum_epochs: 8"))
    ran = sparsebuild("recipe", "diff", "a.yaml", "b.yaml", cwd=tmp_path)
    assert [line.split() for line in ran.out.splitlines()] == [
        ["~", "num_epochs", "6", "→", "8", "a.yaml:1", "→", "b.yaml:2"],
        ["~", "EpochRangeModifier.end_epoch", "6", "→", "8", "a.yaml:5", "→", "b.yaml:6"],
    ]
    assert sparsebuild("recipe", "diff", "a.yaml", "a.yaml", cwd=tmp_path).out == "both say the same\n"


def test_looking_at_a_recipe_imports_nothing_heavy(tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    words = ["show", "check", "args", "format"]
    code = f"""
import sys
from sparsebuild.cli.main import run_command
for word in {words!r}:
    assert run_command(["recipe", word, "recipe.yaml"]) == 0
assert run_command(["recipe", "diff", "recipe.yaml", "builtin:quant"]) == 0
heavy = {{"torch", "transformers", "numpy", "onnx", "pydantic", "safetensors"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)


def test_a_project_s_recipe_that_a_run_would_refuse_is_refused(project, sparsebuild):
    manifest = project / "sparse.toml"
    manifest.write_text(f'{manifest.read_text()}\n[variant.other]\nrecipe.source = "builtin:quant"\n')
    sparsebuild("lock", cwd=project)
    ran = sparsebuild("recipe", "check", cwd=project)
    assert (ran.code, "the recipe of the variant `other` distils, but sparse.toml names no teacher" in ran.err) == (
        2,
        True,
    )
