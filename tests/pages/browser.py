"""Chromium, driven over its DevTools pipe: JSON messages on two file descriptors, ended by NUL."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

OURS = Path(__file__).parents[2] / ".venv-browser" / "unpacked"  # by `make browser`


class Browser:
    """One page. `events` are all that it has told; `request` and console events among them."""

    def __init__(self, profile, width, height, dark):
        to_read, to_write = os.pipe(), os.pipe()

        def wire():  # Chromium reads from 3 and writes to 4
            os.dup2(to_read[0], 103), os.dup2(to_write[1], 104)
            os.dup2(103, 3), os.dup2(104, 4)
            os.set_inheritable(3, True), os.set_inheritable(4, True)

        options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"]
        options += ["--disable-background-networking", f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            [executable(), *options],
            preexec_fn=wire,
            close_fds=False,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read[0]), os.close(to_write[1])
        self._out, self._in, self._rest = to_read[1], to_write[0], b""
        self._number, self.events, self._session = 0, [], None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def ask(self, method, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                assert "error" not in said, said
                return said["result"]
            self.events.append(said)

    def open(self, address):
        self.ask("Page.navigate", url=address)
        deadline = time.monotonic() + 30
        while not self.told("Page.loadEventFired") and time.monotonic() < deadline:
            self.events.append(self._next())

    def told(self, method):
        return [event["params"] for event in self.events if event.get("method") == method]

    def value(self, expression):
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key, code):
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._out), os.close(self._in)

    def _next(self):
        while b"\0" not in self._rest:
            chunk = os.read(self._in, 1 << 16)
            if not chunk:
                raise AssertionError("Chromium went away")
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


def executable():
    """That of `make browser`, or of the machine; None where there is none."""
    if (OURS / "chromium").exists():
        return str(OURS / "chromium")
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def environment():
    """With the libraries beside our own one, for machines that have none of their own."""
    is_ours = executable() == str(OURS / "chromium")
    return {**os.environ, **({"LD_LIBRARY_PATH": str(OURS / "lib")} if is_ours else {})}


@contextlib.contextmanager
def browser(profile, width=1200, height=900, dark=False):
    opened = Browser(profile, width, height, dark)
    try:
        yield opened
    finally:
        opened.close()
