"""cli/clean.py: what is named, and what is told."""


def test_a_dry_run_tells_what_clean_removes(project, sparsebuild):
    sparsebuild("run", "fetch", cwd=project)
    (project / ".sparsebuild" / "fetch" / "model" / "notes").write_text("mine")
    dry = sparsebuild("clean", "--dry-run", cwd=project)
    assert (dry.code, (project / ".sparsebuild" / "records").exists()) == (0, True)
    assert "left .sparsebuild/fetch/model/notes: it is not as a build left it" in dry.out.splitlines()
    ran = sparsebuild("clean", cwd=project)
    assert ran.out == dry.out.replace("would remove", "removed")
    assert sorted(p.name for p in project.iterdir()) == [
        ".sparsebuild",
        "data",
        "model",
        "recipe.yaml",
        "sparse.lock",
        "sparse.toml",
    ]
    again = sparsebuild("run", "fetch", "--json", "--quiet", cwd=project)
    assert set(again.json["outcomes"].values()) == {"restored"}


def test_a_target_goes_alone_or_with_what_needs_it(project, sparsebuild):
    sparsebuild("run", "fetch", cwd=project)
    names = [t["name"] for t in sparsebuild("clean", "-n", "--json", "fetch@model", cwd=project).json["targets"]]
    assert names == ["fetch@model"]
    (project / ".sparsebuild" / "work" / "train").mkdir()  # of a try that was killed
    names = [t["name"] for t in sparsebuild("clean", "--json", "prepare+", cwd=project).json["targets"]]
    assert names == ["train"]
    assert sparsebuild("clean", "tarin", cwd=project).code == 2


def test_it_needs_neither_a_lock_nor_a_manifest_that_is_right(project, sparsebuild):
    sparsebuild("run", "fetch", cwd=project)
    (project / "sparse.lock").unlink()
    (project / "sparse.toml").write_text("no toml")
    assert sparsebuild("clean", cwd=project).code == 0
    assert not (project / ".sparsebuild" / "fetch").exists()


def test_where_there_is_no_project_nothing_is_cleaned(tmp_path, sparsebuild):
    (tmp_path / "build").mkdir()
    assert sparsebuild("clean", cwd=tmp_path).code == 2
    assert (tmp_path / "build").exists()


def test_what_is_left_of_a_target_that_is_gone_goes_by_its_name(project, sparsebuild):
    sparsebuild("run", "fetch", cwd=project)
    (project / ".sparsebuild" / "work" / "train@narow").mkdir(parents=True)
    assert sparsebuild("clean", "train@narow", cwd=project).code == 0
    assert not (project / ".sparsebuild" / "work" / "train@narow").exists()
    assert "train@narow" in sparsebuild("clean", "train@narow", cwd=project).err
