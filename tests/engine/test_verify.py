"""Outputs against their records, past the stat cache; and a second build beside the first."""

import errno
import json
import os
from dataclasses import replace

import pytest

from sparsebuild import events
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.rebuild import rebuild, refuse_unlike
from sparsebuild.engine.verify import refuse, verify
from sparsebuild.errors import Differs, TargetFailed, UserError


@pytest.fixture
def verified(workshop):
    """Verify all actions: what was found, and the differences as (path, what, is_kept)."""

    def call(actions):
        found = verify(
            Graph(actions),
            layout=workshop.layout,
            store=workshop.store,
            stat_cache=workshop.stat_cache,
            sink=workshop.events.append,
        )
        return found, [(d.path, d.what, d.is_kept) for one in found for d in one.differences]

    return call


@pytest.fixture
def again(workshop):
    """Rebuild targets beside."""

    def call(actions, *targets, **settings):
        found = rebuild(
            Graph(actions),
            targets,
            layout=workshop.layout,
            store=workshop.store,
            stat_cache=workshop.stat_cache,
            executor=workshop.calls,
            **{"sink": workshop.events.append, **settings},
        )
        return {rebuilt.action: rebuilt for rebuilt in found}

    return call


def rot(path, text):
    """Other bytes under the old times, as a bad disk leaves them; ctime is the only witness."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def snapshot(workshop):
    """Bytes and times of outputs and records."""
    files = [p for folder in ("build", ".sparsebuild/records") for p in (workshop.layout.root / folder).rglob("*")]
    return {p: (p.stat().st_mtime_ns, p.is_file() and p.read_bytes()) for p in files}


def test_what_was_built_is_as_recorded(workshop, chain, verified):
    workshop.build(chain())
    found, differences = verified(chain())
    assert [(v.action, v.is_recorded, v.files, v.size) for v in found] == [
        ("words", True, 1, 9),
        ("first", True, 1, 3),
        ("end", True, 1, 4),
    ]
    assert differences == []
    refuse(found)


def test_nothing_is_said_of_what_was_never_built(workshop, chain, verified):
    workshop.build(chain(), "words")
    assert [v.is_recorded for v in verified(chain())[0]] == [True, False, False]


def test_edited_deleted_and_linked_outputs_are_named(workshop, chain, verified):
    workshop.build(chain())
    build = workshop.layout.build
    (build / "words" / "text").write_text("other")
    (build / "first" / "text").unlink()
    (build / "end" / "text").rename(build / "kept")
    (build / "end" / "text").symlink_to(build / "kept")
    found, differences = verified(chain())
    assert differences == [
        ("build/words/text", "changed", True),
        ("build/first/text", "missing", True),
        ("build/end/text", "a symbolic link", True),
    ]
    with pytest.raises(Differs) as error:
        refuse(found)
    assert [str(p).splitlines()[0] for p in error.value.problems] == [
        "error: `build/words/text` is not what `words` left",
        "error: `build/first/text`, which `first` left, is not there",
        "error: `build/end/text` is a symbolic link, and `end` left a file",
    ]
    assert error.value.problems[0].hint == "`sparsebuild run words` brings it back from the cache"


def test_rot_that_the_stat_cache_vouches_for_is_found_and_the_next_build_mends_it(workshop, chain, verified):
    workshop.build(chain())
    path = workshop.layout.build / "words" / "text"
    rot(path, "red grown")
    vouch_for(workshop, path)
    assert workshop.build(chain())["words"] == "fresh"
    assert verified(chain())[1] == [("build/words/text", "changed", True)]
    assert workshop.build(chain())["words"] == "restored"
    assert path.read_text() == "red green"


def vouch_for(workshop, path):
    """Let the stat cache take `path` for what it was, as where not even the ctime moved."""
    file = workshop.layout.state / "stat-cache.json"
    known, stat = json.loads(file.read_bytes()), path.stat()
    key = f"{stat.st_dev}:{stat.st_ino}"
    sha256 = known["known"][key].split()[-1]
    known["known"][key] = f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {sha256}"
    file.write_text(json.dumps(known))


def test_hints_say_when_the_cache_lost_it_too(workshop, chain, verified):
    workshop.build(chain())
    for sha256 in [file.sha256 for file in workshop.record("words").outputs]:
        workshop.store.path(sha256).chmod(0o600)
        workshop.store.path(sha256).write_text("red grown")
    (workshop.layout.build / "words" / "text").write_text("other")
    assert verified(chain())[1] == [("build/words/text", "changed", False)]


def test_an_object_that_was_cut_short_is_replaced_by_the_good_output(workshop, chain, verified):
    workshop.build(chain())
    sha256 = workshop.record("words").outputs[0].sha256
    workshop.store.path(sha256).chmod(0o600)
    workshop.store.path(sha256).write_text("red")
    assert verified(chain())[1] == [("build/words/text", "damaged in the cache", True)]
    assert workshop.store.read_bytes(sha256) == b"red green"
    assert verified(chain())[1] == []


def test_a_difference_that_a_build_makes_meanwhile_is_none(workshop, chain, verified):
    workshop.build(chain())

    def build_meanwhile(event):
        if isinstance(event, events.TargetStarted) and event.target == "words":
            workshop.events = []
            workshop.build(chain(words="blue"))

    found = verify(
        Graph(chain()),
        layout=workshop.layout,
        store=workshop.store,
        stat_cache=workshop.stat_cache,
        sink=build_meanwhile,
    )
    refuse(found)


def test_a_record_that_goes_while_its_outputs_are_read_ends_the_looking(workshop, chain, verified):
    workshop.build(chain())
    (workshop.layout.build / "end" / "text").unlink()

    def forget(event):
        if isinstance(event, events.Progress) and event.target == "end":
            (workshop.layout.state / "records" / "end.json").unlink()

    found = verify(
        Graph(chain()), layout=workshop.layout, store=workshop.store, stat_cache=workshop.stat_cache, sink=forget
    )
    assert [(v.is_recorded, v.differences) for v in found][-1] == (False, ())


# ---- building again


def test_the_same_bytes_come_out_and_nothing_else_is_touched(workshop, chain, again):
    workshop.build(chain())
    before = snapshot(workshop)
    found = again(chain(), "first", "end")
    assert [(r.by, r.unlike) for r in found.values()] == [("bytes", ()), ("bytes", ())]
    assert [job.name for job in workshop.calls.jobs] == ["words", "first", "end", "first", "end"]
    assert snapshot(workshop) == before
    assert not list((workshop.layout.state / "verify").iterdir())


def test_it_works_without_the_store(workshop, chain, again):
    """Nothing is restored, so a store that lost all is no help and no hindrance."""
    workshop.build(chain())
    for path in (workshop.cache / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    assert again(chain(), "end")["end"].unlike == ()


def test_the_first_difference_is_named_with_its_offset(workshop, act, again):
    workshop.build([act("a", "write", one="same", two="red green")])
    workshop.calls.steps["write"] = lambda job, report: [
        (job.out / name).write_text(text) for name, text in (("one", "same"), ("two", "red grown"), ("three", ""))
    ]
    before = snapshot(workshop)
    found = again([act("a", "write", one="same", two="red green")], "a")
    assert found["a"].unlike == ("`three` is new this time", "`two` differs from byte 6 on, of 9")
    with pytest.raises(Differs) as error:
        refuse_unlike(list(found.values()))
    assert str(error.value) == (
        "error: `a` came out different when it was built again: `three` is new this time (and 1 more)\n\n"
        "hint: what came out is in .sparsebuild/verify/a/out"
    )
    assert (workshop.layout.root / found["a"].folder / "two").read_text() == "red grown"
    assert snapshot(workshop) == before


def test_a_file_that_ends_early_differs_where_it_ends(workshop, act, again):
    actions = [act("a", "write", text="x" * 3_000_000)]
    workshop.build(actions)
    workshop.calls.steps["write"] = lambda job, report: (job.out / "text").write_text("x" * 2_500_000)
    assert again(actions, "a")["a"].unlike == ("`text` differs from byte 2,500,000 on, of 3,000,000",)


def measured(f1, **more):
    """A step that leaves one figure and one file of bytes."""

    def step(job, report):
        for key, value in more.items():
            report.note(key, value)
        (job.out / "metrics.json").write_text(json.dumps({"models": [{"f1": f1, "sha256": str(f1)}]}))
        (job.out / "weights").write_text(str(f1))

    return step


@pytest.mark.parametrize(("f1", "told"), [(0.41, ()), (0.51, ("`models[0].f1` in `metrics.json` was 0.4, is 0.51",))])
def test_where_bytes_are_not_promised_numbers_are_compared(workshop, act, again, f1, told):
    actions = [replace(act("a", "measure"), exact=False)]
    workshop.calls.steps["measure"] = measured(0.4)
    workshop.build(actions)
    workshop.calls.steps["measure"] = measured(f1)
    found = again(actions, "a")["a"]
    assert (found.by, found.unlike) == ("numbers", told)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"f1": None, "speed": [1, 2]}, "`f1` in `figures.json` was 0.4, is nothing"),
        ({"f1": "0.4", "speed": [1, 2]}, '`f1` in `figures.json` was 0.4, is "0.4"'),
        ({"f1": 0.4, "speed": [1]}, "`speed[1]` in `figures.json` was 2, is nothing"),
        ({"speed": [1, 2]}, "`f1` in `figures.json` was 0.4, is nothing"),
        ({"f1": 0.4, "speed": [1, 2], "of": {"more": 3}}, "`of.more` in `figures.json` was nothing, is 3"),
    ],
)
def test_a_number_that_only_one_side_has_is_told(workshop, act, again, now, told):
    def figures(document):
        return lambda job, report: (job.out / "figures.json").write_text(json.dumps(document))

    actions = [replace(act("a", "measure"), exact=False)]
    workshop.calls.steps["measure"] = figures({"f1": 0.4, "speed": [1, 2]})
    workshop.build(actions)
    workshop.calls.steps["measure"] = figures(now)
    assert again(actions, "a")["a"].unlike == (told,)


def test_a_build_that_used_something_that_is_not_here_is_compared_by_its_numbers(workshop, act, again):
    workshop.calls.steps["measure"] = measured(0.4, gpu="one")
    workshop.build([act("a", "measure")])
    workshop.calls.steps["measure"] = measured(0.41)
    found = again([act("a", "measure")], "a")["a"]
    assert (found.by, found.because, found.unlike) == ("numbers", "`gpu` was one, is none", ())


@pytest.mark.parametrize(("last", "told"), [(0.41, ()), (0.6, ("`f1` in `curve.jsonl` was 0.4, is 0.6",))])
def test_of_a_curve_its_end_is_compared(workshop, act, again, last, told):
    def curve(*values):
        lines = "".join(json.dumps({"f1": value}) + "\n" for value in values)
        return lambda job, report: (job.out / "curve.jsonl").write_text(lines)

    actions = [replace(act("a", "measure"), exact=False)]
    workshop.calls.steps["measure"] = curve(0.1, 0.4)
    workshop.build(actions)
    workshop.calls.steps["measure"] = curve(0.3, last)
    assert again(actions, "a")["a"].unlike == told


def test_on_another_kind_of_machine_numbers_are_compared(workshop, act, again):
    workshop.calls.steps["measure"] = measured(0.4, cpu="old")
    workshop.build([act("a", "measure")])
    workshop.calls.steps["measure"] = measured(0.41, cpu="new")
    found = again([act("a", "measure")], "a")["a"]
    assert (found.by, found.because, found.unlike) == ("numbers", "`cpu` was old, is new", ())
    assert again([act("a", "measure")], "a", tolerance=0.001)["a"].unlike


def test_the_step_is_given_the_notes_of_the_build_and_told_to_follow_them(workshop, act, again):
    workshop.calls.steps["measure"] = measured(0.4, threads=3)
    workshop.build([act("a", "measure")])
    again([act("a", "measure")], "a")
    assert [(job.repeat, dict(job.notes)) for job in workshop.calls.jobs] == [(False, {}), (True, {"threads": 3})]


def test_what_is_out_of_date_has_nothing_to_be_compared_with(workshop, chain, again):
    workshop.build(chain())
    with pytest.raises(UserError) as error:
        again(chain(end="?"), "end")
    assert str(error.value) == (
        "error: `end` is not up to date, so there is nothing to compare with: "
        '`end` changed: "!" → "?"\n\nhint: run `sparsebuild run end` first'
    )


def test_inputs_that_rotted_are_told_before_anything_is_built(workshop, chain, again):
    workshop.build(chain())
    (workshop.layout.build / "first" / "text").write_text("other")
    with pytest.raises(Differs, match="`build/first/text` is not what `first` left"):
        again(chain(), "end")
    assert len(workshop.calls.jobs) == 3


def test_a_step_that_fails_now_says_so(workshop, chain, again):
    workshop.build(chain())

    def fail(job, report):
        raise TargetFailed("no more")

    workshop.calls.steps["join"] = fail
    before = snapshot(workshop)
    with pytest.raises(TargetFailed, match="no more"):
        again(chain(), "end")
    assert snapshot(workshop) == before


def test_a_reader_that_goes_away_while_a_target_is_rebuilt_is_no_fault_of_the_project(workshop, chain, again):
    workshop.build(chain())

    def sink(event):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        again(chain(), "end", sink=sink)


def test_a_link_planted_where_it_works_is_not_followed(workshop, chain, again, tmp_path):
    workshop.build(chain())
    (tmp_path / "elsewhere" / "end").mkdir(parents=True)
    (tmp_path / "elsewhere" / "end" / "precious").write_text("mine")
    (workshop.layout.state / "verify").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="symbolic link"):
        again(chain(), "end")
    assert (tmp_path / "elsewhere" / "end" / "precious").read_text() == "mine"
