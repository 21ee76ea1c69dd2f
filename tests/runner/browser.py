"""A page in headless Chromium, asked over its pipe: nothing of the page is changed for it."""

import fcntl
import json
import os
import shutil
import subprocess
from base64 import b64decode
from contextlib import contextmanager
from itertools import count
from threading import Timer

import pytest

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
LONGEST_S = 180
"""After which a browser that says nothing is ended."""
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
UNTIL = """
const until = async (holds) => {
  while (!holds()) await new Promise((done) => setTimeout(done, 20));
  return true;
};
"""
"""For scripts that wait: nothing is asked of how long."""


class Pipe:
    """The browser's own protocol: JSON with a zero behind each message."""

    def __init__(self, to, of):
        self._to, self._of, self._numbers, self._rest = to, of, count(1), b""
        self.seen = []

    def _message(self):
        while b"\0" not in self._rest:
            block = os.read(self._of, 1 << 16)
            assert block, "the browser has ended"
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)

    def call(self, method, session=None, **parameters):
        number = next(self._numbers)
        told = {"id": number, "method": method, "params": parameters}
        told |= {"sessionId": session} if session else {}
        content = json.dumps(told).encode() + b"\0"
        while content:
            content = content[os.write(self._to, content) :]
        while (answer := self._message()).get("id") != number:
            self.seen.append(answer.get("method"))
        assert "error" not in answer, answer
        return answer["result"]

    def wait_for(self, event):
        while event not in self.seen:
            self.seen.append(self._message().get("method"))


@contextmanager
def browser(folder):
    """A browser of its own, at whose pipe one is."""
    (read, to), (of, write) = os.pipe(), os.pipe()
    # It expects 3 and 4, so the ends that it gets must not have these numbers before.
    theirs = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (read, write)]
    started = subprocess.Popen(
        [
            *("bash", "-c", f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}', "bash", CHROMIUM),
            *(*OPTIONS, "--remote-debugging-pipe", f"--user-data-dir={folder}/profile"),
        ],
        pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for one in (*theirs, read, write):
        os.close(one)
    patience = Timer(LONGEST_S, started.kill)
    patience.start()
    try:
        yield Pipe(to, of)
    finally:
        patience.cancel()
        started.kill()
        started.wait()
        os.close(to)
        os.close(of)


def ask(page, folder, script, **seen):
    """What a script returns that runs in a page once it has loaded; ``seen`` as of ``ask_at``."""
    (folder / "asked.html").write_text(page)
    return ask_at(f"file://{folder}/asked.html", folder, script, **seen)


def ask_at(url, folder, script, **seen):
    """The same of the page at an address."""
    with browser(folder) as pipe:
        return opened(pipe, url, **seen)(script)


def opened(pipe, url, *, library="", width=1280, dark=False):
    """Open a page in a browser; what a script returns in it, which stands behind its library."""
    target = pipe.call("Target.createTarget", url="about:blank")["targetId"]
    at = pipe.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    pipe.call("Emulation.setDeviceMetricsOverride", at, **size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    pipe.call("Emulation.setEmulatedMedia", at, features=[scheme])
    pipe.call("Page.enable", at)
    pipe.seen.clear()
    pipe.call("Page.navigate", at, url=url)
    pipe.wait_for("Page.loadEventFired")
    pipe.call("Runtime.evaluate", at, expression=library)

    def ask(script):
        found = pipe.call(
            "Runtime.evaluate", at, expression=f"(async () => {{ {UNTIL} {script} }})()",
            awaitPromise=True, returnByValue=True,
        )  # fmt: skip
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"]["value"]

    ask.printed = lambda: b64decode(
        pipe.call("Page.printToPDF", at, preferCSSPageSize=True)["data"]
    )
    return ask
