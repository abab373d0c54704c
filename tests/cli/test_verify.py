"""cli/verify.py: what is told, and the exit code 7. What counts as a difference is tested with the engine."""

import pytest


@pytest.fixture
def fetched(project, sparsebuild):
    assert sparsebuild("run", "fetch", cwd=project).code == 0
    return project


def test_what_was_built_is_as_recorded(fetched, sparsebuild):
    ran = sparsebuild("verify", "fetch", cwd=fetched)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("3 targets, 6 files, ")
    assert ran.out.endswith(": all as recorded\n")
    assert sparsebuild("verify", cwd=fetched).out.splitlines()[1] == "not built: prepare, train, eval, export, gate"


def test_a_difference_is_7_and_the_next_run_mends_it(fetched, sparsebuild):
    path = fetched / ".sparsebuild" / "fetch" / "model" / "config.json"
    good = path.read_bytes()
    path.write_text("{}")
    ran = sparsebuild("verify", "--json", cwd=fetched)
    assert ran.code == 7
    assert "error: `.sparsebuild/fetch/model/config.json` is not what `fetch@model` left" in ran.err
    assert "hint: `sparsebuild run fetch@model` brings it back from the cache" in ran.err
    [target] = [target for target in ran.json["targets"] if target["differences"]]
    assert (target["name"], target["differences"][0]["what"]) == ("fetch@model", "changed")
    assert sparsebuild("run", "fetch", cwd=fetched).code == 0
    assert path.read_bytes() == good
    assert sparsebuild("verify", cwd=fetched).code == 0


def test_there_must_be_something_to_verify(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    ran = sparsebuild("verify", cwd=project)
    assert (ran.code, ran.out) == (2, "")
    assert "nothing of this was built yet" in ran.err


def test_built_again_the_same_comes_out(fetched, sparsebuild):
    ran = sparsebuild("verify", "--rebuild", "fetch@model", "--json", cwd=fetched)
    assert ran.code == 0
    [target] = ran.json["targets"]
    assert (target["name"], target["is_same"], target["compared"]) == ("fetch@model", True, "bytes")
    ran = sparsebuild("verify", "--rebuild", "fetch@model", cwd=fetched)
    assert ran.out.startswith("fetch@model: built again in ")
    assert ran.out.endswith(" s, the same bytes\n")


def test_built_again_something_else_comes_out(fetched, sparsebuild):
    """A record that promises what nobody ever built."""
    folder = fetched / ".sparsebuild"
    path, record = folder / "fetch" / "model" / "config.json", folder / "records" / "fetch@model.json"
    before = sparsebuild("verify", "--json", cwd=fetched).json["targets"]
    path.write_text(path.read_text().replace("BertModel", "BertMedal"))
    found = sparsebuild("verify", "--json", cwd=fetched).json["targets"]
    assert found != before
    [difference] = [d for target in found for d in target["differences"]]
    head, outputs = record.read_text().split('"outputs"')
    record.write_text(f'{head}"outputs"{outputs.replace(difference["promised"], difference["found"])}')
    ran = sparsebuild("verify", "--rebuild", "fetch@model", cwd=fetched)
    assert ran.code == 7
    assert "`fetch@model` came out different when it was built again: `config.json` differs from byte " in ran.err
    assert "hint: what came out is in .sparsebuild/verify/fetch@model/out" in ran.err


def test_a_rebuild_has_to_be_of_something(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    assert sparsebuild("verify", "--rebuild", cwd=project).code == 2
