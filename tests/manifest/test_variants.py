"""Variants: what each lays over the file, and over what is laid over that."""

from pathlib import Path

import pytest

from sparsebuild.errors import ManifestError
from sparsebuild.manifest import parse
from sparsebuild.manifest.layers import MOST_VARIANTS

TEXT = (Path(__file__).parents[1] / "cases" / "manifests" / "good" / "variants.toml").read_text()
MORE = TEXT.replace("[profile.quick]", "[variant.more]\n\n[profile.quick]")


def test_tables_are_laid_over_the_file_key_by_key():
    manifest = parse(TEXT)
    narrow, other = manifest.of("ffn384"), manifest.of("other")
    assert (narrow.recipe.source, narrow.recipe.args) == ("recipes/r.yaml", {"epochs": 3, "ffn": 384})
    assert (narrow.train, narrow.export, narrow.gate) == (manifest.train, manifest.export, manifest.gate)
    assert (other.recipe.source, other.recipe.args) == ("recipes/other.yaml", {})
    assert (other.train.seed, other.export.scheme, str(other.gate.f1)) == (1, "ort-cpu", ">= 0.4")


def test_the_file_itself_is_what_it_is_without_variants():
    without = TEXT[: TEXT.index("[variant.ffn384]")]
    assert parse(TEXT).of("") == parse(without)


def test_a_variant_wins_over_a_profile_and_a_profile_may_change_one():
    settings = ["recipe.args.ffn=96", "variant.more.train.seed=5"]
    manifest = parse(MORE, profile="quick", settings=settings)
    assert manifest.recipe.args == {"epochs": 1, "ffn": 96}
    assert manifest.of("ffn384").recipe.args == {"epochs": 1, "ffn": 192}
    assert (manifest.of("more").train.seed, manifest.of("more").recipe.args["ffn"]) == (5, 96)


@pytest.mark.parametrize("text", ["variant = 3\n", 'variant = ["a"]\n', "variant.a = 3\n"])
def test_what_is_no_table_is_refused(text):
    with pytest.raises(ManifestError, match=r"`variant(\.a)?` must be a table, found"):
        parse(text + TEXT[: TEXT.index("[variant.ffn384]")])


def test_there_may_be_many_but_not_any_number():
    several = "".join(f"[variant.v{n}]\n" for n in range(MOST_VARIANTS))
    text = TEXT[: TEXT.index("[variant.ffn384]")]
    assert len(parse(text + several).variant) == MOST_VARIANTS
    with pytest.raises(ManifestError, match=r"`variant` holds more than 50 tables"):
        parse(f"{text}{several}[variant.more]\n")


def test_a_fault_of_the_file_is_told_once():
    with pytest.raises(ManifestError) as caught:
        parse(TEXT.replace("epochs = 3", "epochs = inf"))
    assert [problem.position.line for problem in caught.value.problems] == [13]


def test_a_bound_of_a_variant_is_told_as_one_of_all():
    with pytest.raises(
        ManifestError, match=r'`variant\.more\.gate\.f1` must be a bound such as ">= 0\.40", found 0\.5'
    ):
        parse(MORE, settings=["variant.more.gate.f1=0.5"])


@pytest.mark.parametrize("profile", ["", "deep"])
def test_a_name_that_only_a_profile_or_a_setting_has_is_a_slip(profile):
    deep = "[profile.deep.variant.othr.train]\nseed = 9\n"
    with pytest.raises(ManifestError) as caught:
        parse(MORE + deep, profile=profile)
    (problem,) = caught.value.problems
    assert (problem.message, problem.position.line) == ("there is no variant `othr`", MORE.count("\n") + 1)
    assert problem.hint == "did you mean `other`?"
    with pytest.raises(ManifestError, match=r"there is no variant `mor`.*--set variant\.mor\.train\.seed=9"):
        parse(MORE, settings=["variant.mor.train.seed=9"])


def test_the_arguments_of_a_recipe_are_not_those_of_another():
    manifest = parse(MORE, settings=["variant.more.recipe.source=recipes/r.yaml"])
    assert manifest.of("other").recipe.args == {}
    assert manifest.of("more").recipe.args == {"epochs": 3, "ffn": 768}
    chosen = parse(MORE, settings=["recipe.source=builtin:quant", "recipe.args.num_epochs=2"])
    assert chosen.recipe.args == {"num_epochs": 2}
    assert chosen.of("ffn384").recipe.args == {"num_epochs": 2, "ffn": 384}
