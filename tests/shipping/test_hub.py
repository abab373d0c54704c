"""shipping/hub.py: all files in one commit, or nothing, whatever the network does."""

import sys
from pathlib import Path

import pytest

from sparsebuild.errors import HashMismatch, SourceUnavailable
from sparsebuild.shipping.hub import publish
from sparsebuild.shipping.parcel import pack

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import hub

NAME = "org/people"


@pytest.fixture
def server(tmp_path, monkeypatch):
    from huggingface_hub.utils import _http

    with hub.serving() as server:
        hub.use(server, monkeypatch, tmp_path)
        monkeypatch.setenv("HF_TOKEN", server.token)
        monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)  # the client's waits between its tries
        yield server


def send(folder, **settings):
    return publish(NAME, pack(folder), message="people", say=[].append, **{"private": False, **settings})


def files(server):
    repo = server.repos["model", NAME]
    return repo.commits[repo.refs["main"]]


def commits(server):
    return len(server.repos["model", NAME].commits)


def test_a_repository_is_made_and_filled_by_one_commit(server, hub_folder):
    done = send(hub_folder, private=True)
    assert (done.is_changed, done.removed, done.kept) == (True, (), (".gitattributes",))
    assert done.url == f"{server.endpoint}/{NAME}"
    assert commits(server) == 2  # that of the server's own, and ours
    assert server.repos["model", NAME].private
    there = files(server)
    assert {path: there[path] for path in there if path != ".gitattributes"} == {
        item.path: item.source.read_bytes() for item in pack(hub_folder)
    }


def test_the_same_again_makes_no_commit(server, hub_folder):
    first = send(hub_folder)
    again = send(hub_folder)
    assert (again.is_changed, again.commit) == (False, first.commit)
    assert commits(server) == 2


def test_what_an_earlier_build_left_goes_and_what_is_somebody_elses_stays(server, hub_folder):
    server.push("model", NAME, {"onnx/model.onnx": b"old", "poem.md": b"a rose", ".gitattributes": b""})
    done = send(hub_folder)
    assert (done.removed, done.kept) == (("onnx/model.onnx",), (".gitattributes", "poem.md"))
    assert "onnx/model.onnx" not in files(server)
    assert files(server)["poem.md"] == b"a rose"


PLACES = ["/api/repos/create", "/api/validate-yaml", "/preupload/", "/info/lfs/", "/upload/", "/commit/"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", [hub.drop(), hub.status(503), hub.status(500)], ids=["drop", "503", "500"])
def test_a_network_that_dies_leaves_what_was_published_before(server, hub_folder, place, fault):
    server.push("model", NAME, {"README.md": b"before"})
    server.faults = [(place, fault)] * 50
    with pytest.raises(SourceUnavailable):
        send(hub_folder)
    assert files(server) == {"README.md": b"before"}
    server.faults = []
    assert send(hub_folder).is_changed
    assert commits(server) == 2


def test_one_hiccup_is_got_over(server, hub_folder):
    server.faults = [("/api/models/", hub.status(503)), ("/upload/", hub.drop())]
    assert send(hub_folder).is_changed


def test_a_commit_whose_answer_is_lost_was_made_all_the_same(server, hub_folder):
    server.faults = [("/commit/", hub.cut(0))]
    assert send(hub_folder).is_changed
    assert commits(server) == 2


def test_a_commit_in_between_is_not_written_over(server, hub_folder, monkeypatch):
    server.push("model", NAME, {"README.md": b"before"})

    def meanwhile(handler, proceed):
        server.push("model", NAME, {"README.md": b"theirs"})
        proceed()

    server.faults = [("/commit/", meanwhile)]
    with pytest.raises(SourceUnavailable, match="was changed by somebody else in the meantime"):
        send(hub_folder)
    assert files(server) == {"README.md": b"theirs"}


def test_a_file_that_the_repository_ignores_is_told(server, hub_folder):
    server.push("model", NAME, {".gitignore": b"export.json"})
    with pytest.raises(HashMismatch, match=r"`export\.json` of `org/people` is not what was sent"):
        send(hub_folder)


def test_a_token_that_may_not_write_is_told(server, hub_folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(SourceUnavailable) as caught:
        send(hub_folder)
    assert str(caught.value) == (
        f"error: the Hub at 127.0.0.1:{server.port} does not let this token write to `org/people`\n\n"
        "hint: make one with write access, at the Hub under Settings, Access Tokens, and set HF_TOKEN"
    )
    assert server.repos == {}


def test_without_a_token_nothing_is_asked(server, hub_folder, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(SourceUnavailable, match="publishing needs a token of the Hub"):
        send(hub_folder)
    assert server.asked == []
