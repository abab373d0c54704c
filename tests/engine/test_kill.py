"""`kill -9` while a step works; `test_crash.py` has every moment of the engine's own."""

import os
import signal


def test_a_kill_in_the_middle_of_a_step_promotes_nothing(workshop, chain):
    workshop.build(chain())
    write = workshop.calls.steps["write"]

    def die(job, report):
        write(job, report)
        os.kill(os.getpid(), signal.SIGKILL)

    workshop.calls.steps["write"] = die
    child = os.fork()
    if child == 0:
        workshop.build(chain(words="blue"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert (workshop.text("build/words/text"), workshop.record("words")) == ("red green", None)
    workshop.calls.steps["write"] = write
    workshop.build(chain(words="blue"))
    assert workshop.text("build/end/text") == "blue!"
