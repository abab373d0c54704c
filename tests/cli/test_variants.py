"""`[variant.NAME]` in every command that knows targets, on a project whose steps are stand-ins."""

import shutil

import pytest

from sparsebuild import lock as locks

VARIANTS = """
[variant.s70]
recipe.args = { sparsity = 0.7 }

[variant.seeded]
train.seed = 3
"""
SHARED = ["fetch@data.train", "fetch@data.validation", "fetch@model", "prepare"]
OWN = ["train", "eval", "export", "gate"]
TARGETS = [*SHARED, *OWN, *(f"{step}@{name}" for name in ("s70", "seeded") for step in OWN)]


def outcomes(ran):
    """What was done to each target that was not up to date."""
    assert ran.code == 0, ran.err
    return {name: outcome for name, outcome in ran.json["outcomes"].items() if outcome != "fresh"}


@pytest.fixture(scope="session")
def run(run_made_up):
    return lambda project, *words: run_made_up(project, "--json", *words)


@pytest.fixture(scope="module")
def first(tmp_path_factory, write_project, no_tensors, run):
    folder = tmp_path_factory.mktemp("variants") / "project"
    folder.mkdir()
    write_project(folder, no_tensors)
    recipe = (folder / "recipe.yaml").read_text().replace("final_sparsity: 0.5", "final_sparsity: eval(sparsity)")
    (folder / "recipe.yaml").write_text(f"sparsity: 0.5\n{recipe}")
    with (folder / "sparse.toml").open("a") as stream:
        stream.write(VARIANTS)
    assert set(outcomes(run(folder))) == set(TARGETS)
    return folder


def test_a_run_builds_all_of_them_once(built, run):
    assert outcomes(run(built)) == {}
    assert "0.7" in (built / "build/variants/s70/train/model/model.safetensors").read_text()
    assert "0.5" in (built / "build/train/model/model.safetensors").read_text()
    assert (built / "build/variants/seeded/export/gate.json").is_file()


def test_a_value_of_one_reruns_its_own_targets_alone(built, edit, run):
    edit(built / "sparse.toml", "sparsity = 0.7", "sparsity = 0.75")
    assert set(outcomes(run(built))) == {f"{step}@s70" for step in OWN}
    edit(built / "sparse.toml", "sparsity = 0.75", "sparsity = 0.7")
    assert set(outcomes(run(built)).values()) == {"restored"}


def test_a_new_one_reruns_nothing_else(built, run):
    with (built / "sparse.toml").open("a") as stream:
        stream.write("[variant.more]\ntrain.seed = 4\n")
    assert set(outcomes(run(built))) == {f"{step}@more" for step in OWN}


def test_a_value_of_the_file_reaches_those_that_say_nothing_else(built, edit, run):
    edit(built / "sparse.toml", "threads = 1", "threads = 1\nseed = 7")
    done = outcomes(run(built))
    assert {"train", "train@s70"} <= set(done)
    assert "train@seeded" not in done


def test_one_is_built_alone_and_several_by_a_pattern(built, edit, run):
    edit(built / "sparse.toml", "threads = 1", "threads = 1\nadam_beta1 = 0.8")
    assert set(outcomes(run(built, "gate@s70"))) == {f"{step}@s70" for step in OWN}
    assert set(outcomes(run(built, "train@*"))) == {"train@seeded"}


def test_one_that_fails_leaves_the_others(built, edit, run):
    edit(built / "sparse.toml", "seed = 3", "seed = 13")
    edit(built / "sparse.toml", "sparsity = 0.7", "sparsity = 0.8")
    ran = run(built, "--keep-going")
    assert ran.code == 1
    assert "train@seeded" in ran.err
    told = ran.json
    assert (told["outcomes"]["train@seeded"], told["outcomes"]["eval@seeded"]) == ("failed", "skipped")
    assert (told["outcomes"]["gate"], told["outcomes"]["gate@s70"]) == ("fresh", "built")
    assert (set(told["variants"]["s70"]), told["variants"]["seeded"]) == ({"metrics", "gate"}, {})
    assert "0.8" in (built / "build/variants/s70/train/model/model.safetensors").read_text()


def test_looking_commands_know_them(built, sparsebuild, edit):
    status = sparsebuild("status", "--json", cwd=built).json
    assert [target["name"] for target in status["targets"]] == TARGETS
    assert {target["verdict"] for target in status["targets"]} == {"fresh"}
    assert set(status["variants"]) == {"s70", "seeded"}
    edit(built / "sparse.toml", "seed = 3", "seed = 4")
    told = sparsebuild("why", "train@seeded", cwd=built).out
    assert "3 → 4" in told
    assert "sparse.toml:" in told
    assert sparsebuild("why", "train", cwd=built).out == "✓ train up to date\n"
    assert len(sparsebuild("why", "train@*", "--json", cwd=built).json["targets"]) == 2
    graph = sparsebuild("graph", "gate@s70", "--format", "json", cwd=built).json["targets"]
    assert [target["name"] for target in graph] == [*SHARED, *(f"{step}@s70" for step in OWN)]
    assert [t["name"] for t in sparsebuild("metrics", "eval@s70", "--json", cwd=built).json["targets"]] == ["eval@s70"]
    assert sparsebuild("log", "train@s70", "--path", cwd=built).out.endswith("train@s70.log\n")
    sources = {s["name"]: s for s in sparsebuild("tree", "--json", cwd=built).json["sources"]}
    assert {"train", "train@s70", "train@seeded"} <= set(sources["recipe"]["used_by"])


def test_another_recipe_is_locked_beside_and_told_of_its_variant(built, sparsebuild, edit, run):
    shutil.copy(built / "recipe.yaml", built / "other.yaml")
    edit(built / "sparse.toml", "train.seed = 3", 'recipe.source = "other.yaml"')
    assert set(outcomes(run(built))) > {"train@seeded"}
    sources = {s["name"]: s for s in sparsebuild("tree", "--json", cwd=built).json["sources"]}
    assert {"train", "train@s70"} <= set(sources["recipe"]["used_by"])
    assert "train@seeded" in sources["recipe.seeded"]["used_by"]
    edit(built / "other.yaml", "!QuantizationModifier", "!QuantisationModifier")
    refused = sparsebuild("run", cwd=built)
    assert refused.code == 2
    assert "error: in the variant `seeded`: " in refused.err
    assert "other.yaml:" in refused.err


def test_a_recipe_of_one_is_nothing_to_the_others(built, sparsebuild, edit, run):
    shutil.copy(built / "recipe.yaml", built / "other.yaml")
    edit(built / "sparse.toml", "train.seed = 3", 'recipe.source = "other.yaml"')
    assert set(outcomes(run(built))) == {f"{step}@seeded" for step in OWN}
    (built / "other.yaml").write_text((built / "other.yaml").read_text() + "# changed\n")
    assert set(outcomes(run(built))) == {"gate@seeded"}


def test_the_lock_that_travels_with_a_model_is_enough_to_build_it(built, sparsebuild, edit, run):
    shutil.copy(built / "recipe.yaml", built / "other.yaml")
    edit(built / "sparse.toml", "train.seed = 3", 'recipe.source = "other.yaml"')
    sparsebuild("lock", cwd=built)
    locks.write(built / "sparse.lock", locks.read(built / "sparse.lock").of("s70"))
    for targets in (["gate@s70"], ["gate"], ["-f", "gate", "gate@s70"]):
        assert run(built, "--locked", *targets).code == 0
        assert sparsebuild("run", "-n", "--locked", *targets, cwd=built).code == 0
    for targets in ([], ["gate@seeded"], ["gate@*"], ["report"], ["-f", "gate@seeded", "gate"]):
        assert run(built, "--locked", *targets).code == 3
    assert sparsebuild("status", "--json", cwd=built).json["variants"]  # all are known as before
    (built / "recipe.yaml").write_text((built / "recipe.yaml").read_text() + "# changed\n")
    assert run(built, "--locked", "gate").code == 3


def test_the_recipe_of_one_is_shown_with_its_arguments(built, sparsebuild):
    def sparsity(*words):
        shown = sparsebuild("recipe", "show", "--json", *words, cwd=built).json
        return shown["modifiers"]["GlobalMagnitudePruningModifier"][0]["final_sparsity"]

    assert (sparsity(), sparsity("--variant", "s70"), sparsity("--variant", "seeded")) == (0.5, 0.7, 0.5)
    refused = sparsebuild("recipe", "check", "recipe.yaml", "--variant", "s70", cwd=built)
    assert refused.err == "error: `--variant` is for the recipes of a project\n\nhint: leave FILE out\n"


def test_keeping_commands_know_them(built, sparsebuild, run):
    verified = sparsebuild("verify", "gate@s70", "--json", cwd=built).json["targets"]
    assert verified[-1]["name"] == "gate@s70"
    assert sparsebuild("clean", "train@s70", cwd=built).code == 0
    assert not (built / "build/variants/s70/train").exists()
    assert (built / "build/variants/s70/export").exists()
    assert (built / "build/train").exists()
    assert outcomes(run(built)) == {"train@s70": "restored"}


def test_one_that_is_not_there_is_refused_by_name(built, sparsebuild):
    for words in (("try", "Ada"), ("publish", "dir:out"), ("sensitivity",)):
        ran = sparsebuild(*words, "--variant", "s7", cwd=built)
        assert (ran.code, ran.err) == (
            2,
            "error: there is no variant `s7` in sparse.toml\n\nhint: did you mean `s70`?\n",
        )


def test_a_comparison_tells_what_a_variant_says_and_no_more(built, first, sparsebuild, edit):
    edit(built / "sparse.toml", "sparsity = 0.7", "sparsity = 0.75")
    edit(built / "sparse.toml", "threads = 1", "threads = 1\nseed = 7")
    found = sparsebuild("diff", first, "--json", cwd=built).json
    assert [change["subject"] for change in found["settings"]] == ["train.seed", "variant.s70.recipe.args.sparsity"]
    assert [change["subject"] for change in found["recipe"]] == [
        "variant.s70.GlobalMagnitudePruningModifier.final_sparsity"
    ]
