"""cli/status.py, cli/why.py and `run --dry-run`: one forecast, told three times."""

from filelock import FileLock

TARGETS = [
    "fetch@data.train",
    "fetch@data.validation",
    "fetch@model",
    "prepare",
    "train",
    "eval",
    "export",
    "gate",
]


def test_everything_is_stale_at_first(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    ran = sparsebuild("status", "--json", "--exit-code", cwd=project)
    assert ran.code == 8
    assert next(iter(ran.json)) == "schema_version"
    assert [target["name"] for target in ran.json["targets"]] == TARGETS
    assert {target["verdict"] for target in ran.json["targets"]} == {"stale"}
    assert ran.json["targets"][0]["reasons"][0]["sentence"] == "never built"


def test_status_is_a_table_that_counts(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    ran = sparsebuild("status", cwd=project)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[-1] == "0 of 8 targets up to date"
    assert "\x1b" not in ran.out


def test_a_dry_run_tells_of_the_targets_alone_and_writes_nothing(project, sparsebuild):
    before = sorted(project.rglob("*"))
    ran = sparsebuild("run", "--dry-run", "--json", "prepare", cwd=project)
    assert [target["name"] for target in ran.json["targets"]] == TARGETS[:4]
    assert sorted(project.rglob("*")) == before


def test_why_tells_of_one_target(project, sparsebuild):
    ran = sparsebuild("why", "train", cwd=project)
    assert ran.out == "→ train has to run\n  never built\n"
    assert len(sparsebuild("why", "fetch", "--json", cwd=project).json["targets"]) == 3


def test_why_of_nothing_is_2(project, sparsebuild):
    ran = sparsebuild("why", "tarin", cwd=project)
    assert (ran.code, ran.err) == (2, "error: no target is called `tarin`\n\nhint: did you mean `train`?\n")


def test_a_run_under_locked_changes_no_lock(project, sparsebuild):
    ran = sparsebuild("run", "--locked", cwd=project)
    assert ran.code == 3
    assert not (project / "sparse.lock").exists()


def test_in_ci_a_lock_that_is_there_is_held(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    (project / "recipe.yaml").write_text((project / "recipe.yaml").read_text() + "# changed\n")
    assert sparsebuild("run", cwd=project, CI="1").code == 3
    assert sparsebuild("fetch", cwd=project, CI="0").code == 0


def test_another_run_at_work_is_6_under_no_wait(project, process):
    (project / ".sparsebuild").mkdir()
    with FileLock(project / ".sparsebuild" / "lock"):
        ran = process("run", "--no-wait", cwd=project)
    assert ran.code == 6
    assert "hint: leave out --no-wait to wait for it\n" in ran.err
