"""`kill -9` at any moment leaves a state from which the next run finishes.

A child process builds and kills itself at its n-th touch of the disk, for every n there is; then we finish its work.
"""

import os
import shutil
import signal
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.chmod", "os.truncate"}


def killed_at(touch, work):
    """Do `work` in a child that dies at its touch number `touch`; whether it got that far."""
    child = os.fork()
    if child == 0:
        countdown = iter(range(touch, -1, -1))

        def hook(event, arguments):
            if event in TOUCHES and next(countdown) == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)  # it cannot be taken back, hence the child
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.fixture
def two(act):
    """Make two actions, one of which reads the other."""

    def make(words="red green", shout=False):
        return [act("a", "write", text=words), act("b", "join", "a", shout=shout)]

    return make


def test_the_first_build_may_die_anywhere(workshop, act):
    actions = [act("a", "write", text="red", more="green")]
    touch = 0
    while killed_at(touch, lambda: workshop.build(actions)):
        workshop.build(actions)
        assert (workshop.text("build/a/more"), verdicts(workshop, actions)) == ("green", ["fresh"])
        forget(workshop)
        touch += 1
    assert touch > 50


@pytest.mark.parametrize("back", [False, True], ids=["going on", "going back"])
def test_a_rebuild_may_die_anywhere_whatever_is_asked_next(workshop, two, back):
    old, new = two(), two("blue", shout=True)
    workshop.build(old)
    touch = 0
    while killed_at(touch, lambda: workshop.build(new)):
        workshop.build(old if back else new)
        assert workshop.text("build/b/text") == ("red green" if back else "BLUE")
        assert set(verdicts(workshop, old if back else new)) == {"fresh"}
        workshop.build(old)
        forget_answers(workshop)
        touch += 3  # every touch by itself is in the test above
    assert touch > 80


def test_a_kill_in_the_middle_of_a_step_promotes_nothing(workshop, chain):
    workshop.build(chain())
    write = workshop.calls.steps["write"]

    def die(job, report):
        write(job, report)
        os.kill(os.getpid(), signal.SIGKILL)

    workshop.calls.steps["write"] = die
    assert killed_at(10**6, lambda: workshop.build(chain(words="blue")))
    assert (workshop.text("build/words/text"), workshop.record("words")) == ("red green", None)
    workshop.calls.steps["write"] = write
    workshop.build(chain(words="blue"))
    assert workshop.text("build/end/text") == "blue!"


def verdicts(workshop, actions):
    return [decision.verdict for decision in workshop.forecast(actions).values()]


def forget(workshop):
    """Leave neither state nor cache, so that the next child starts where the last one did."""
    for folder in (workshop.layout.state, workshop.layout.build, workshop.cache):
        shutil.rmtree(folder)


def forget_answers(workshop):
    shutil.rmtree(workshop.cache / "traces", ignore_errors=True)
