"""A phase that computes nothing, so that faults can be tried by the hundred; and its real runs."""

import fcntl
import json
import os
import struct
import subprocess
import sys
import sysconfig
import termios
import time
from pathlib import Path

from runner.engines.process import supervisors
from runner.hub import layout
from runner.phase.unfinished import RUN, journal
from tests.runner.conftest import ROOT, TINY

LONGEST_S = 900.0
"""After this long nothing comes any more that is waited for, s."""
ARM = """
set -e
out=$1 job=$2 word=$3
digest() { sha256sum "$1" | cut -c1-64; }
if [ "$4" = held ]; then
    while [ ! -e "$out/go" ]; do sleep 0.05; done
    rm "$out/go"
else
    sleep "$4"
fi
echo "weights of $word" > "$out/weights"
size=$(wc -c < "$out/weights")
printf '{"schema_version":1,"experiment":"train","job_sha256":"%s","files":[' \\
    "$(digest "$job/job.json")" > "$out/.part"
printf '{"path":"weights","sha256":"%s","bytes":%s,"deterministic":true}]}' \\
    "$(digest "$out/weights")" "$size" >> "$out/.part"
mv "$out/.part" "$out/result.json"
"""
"""An arm's command. It leaves a file that is the same each time, and nothing of a training."""


def manifest(**arms):
    """A phase of such arms; of each the seconds that it sleeps, or ``held`` until it is let go."""
    head = TINY.partition("[[arms]]")[0].replace("threads = 1", "threads = 1\nmemory_gib = 1.0")
    script = json.dumps(ARM)
    return head + "".join(
        f'[[arms]]\nname = "{name}"\n'
        f'command = ["/bin/sh", "-c", {script}, "arm", "{{out}}", "{{job}}", "{name}", "{kind}"]\n'
        for name, kind in arms.items()
    )


PLAIN = manifest(one=0, two=0.3, three=0)


def light_interpreter(folder):
    """An interpreter with the packages of this one, of which little has to be read each time."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = (folder / "lib").glob("python3*/site-packages")
    (site / "tests.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin" / "python"


def phasehub(*words, **options):
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "runner", *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, check=False, **options,
    )  # fmt: skip


def words_of_run(folder, interpreter, text=PLAIN, name="tiny"):
    """The words that run a phase, whose manifest is in the folder then."""
    manifest = folder / f"{name}.toml"
    manifest.write_text(text.replace('name = "tiny"', f'name = "{name}"'))
    return (
        *("run", manifest, "--engine", "process", "--python", interpreter),
        *("--out", folder / "artifacts"),
    )


class Begun:
    """A run that was started below a folder, and what can be seen of it from outside."""

    python = sys.executable

    def __init__(self, folder, interpreter, text=PLAIN, name="tiny", options=()):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.later, self.artifacts = folder, [], folder / "artifacts"
        self._start(*words_of_run(folder, interpreter, text, name), *options)

    @classmethod
    def resumed(cls, before):
        """The process that goes on with a run that was killed."""
        run = cls.__new__(cls)
        run.folder, run.artifacts, run.later = before.folder, before.artifacts, []
        before.later.append(run)
        run._start("resume", "--out", run.artifacts)
        return run

    def _start(self, verb, *words):
        self.said = self.folder / f"stderr-{verb}"
        with self.said.open("wb") as said:
            self.runner = subprocess.Popen(
                [self.python, "-m", "runner", verb, *words],
                cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said,
            )  # fmt: skip

    @property
    def staging(self):
        """Its folder, if it is not sealed."""
        return next(iter(layout.all_staged(self.artifacts)), None)

    @property
    def is_unfinished(self):
        return self.staging is not None and (self.staging.state / RUN).is_file()

    @property
    def hubs(self):
        return layout.find_hubs(self.artifacts)

    def has(self, pattern):
        return any(self.artifacts.glob(f"tiny/{pattern}"))

    def told(self, event, name):
        """Whether the journal tells of it."""
        lines = journal(self.staging) if self.staging else ()
        return any((one.get("event"), one.get("name")) == (event, name) for one in lines)

    def supervisors(self):
        return [one for one in supervisors() if one.view.is_relative_to(self.artifacts)]

    def job_of(self, arm):
        """The arm's job, once it is the only one: those that have ended may still be leaving."""
        wait_until(lambda: [one.labels["arm"] for one in self.supervisors()] == [arm])
        return next(iter(self.supervisors()))

    def wait_for(self, condition):
        """Wait for it; whether it came before the runner's end."""
        deadline = time.monotonic() + LONGEST_S
        while not condition(self):
            if self.runner.poll() is not None:
                return False
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.005)
        return True

    def attempts(self, name):
        """Folders of the attempts at an arm that are there, the last one last."""
        found = self.artifacts.glob(f"tiny/.staging-*/.attempts/{name}/*")
        return sorted(found, key=lambda folder: int(folder.name))

    def let_go(self, name):
        """Have an arm that is held go on."""
        (self.attempts(name)[-1] / "out" / "go").touch()

    def end(self):
        """Its exit status."""
        return self.runner.wait(LONGEST_S)

    def end_all(self):
        """Leave nothing behind, however far a test has come."""
        for run in (self, *self.later):
            run.runner.kill()
            run.end()
        for one in self.supervisors():
            one.stop()

    def resume(self):
        return phasehub("resume", "--out", self.artifacts)


class Terminal:
    """A terminal of 80 columns: a shell runs the command line and waits for the next word."""

    COLUMNS = 80

    def __init__(self, *words):
        self.screen, end = os.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("4H", 24, self.COLUMNS, 0, 0))
        self.shell = subprocess.Popen(
            ["/bin/sh", "-c", '"$@"; read next', "sh", sys.executable, "-m", "runner", *words],
            cwd=ROOT, stdin=end, stdout=end, stderr=end, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(end)

    def read_until(self, text):
        shown = b""
        while text not in shown:
            shown += os.read(self.screen, 4096)
        return shown.decode()

    def close(self):
        """The end of the terminal; the shell's exit status."""
        os.close(self.screen)
        return self.shell.wait()


def wait_until(condition):
    deadline = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def results(hub):
    """The deterministic files of a hub by their digests."""
    assert layout.verify(hub).intact
    return {one.path: one.sha256 for one in layout.read(hub).artifacts if one.deterministic}


def arms(hub):
    return {arm.name: arm for arm in layout.read(hub).arms}


def remains(folder):
    """What a run has left that is no hub: folders, and processes that know of its folder."""
    found = [str(path) for path in folder.glob("artifacts/*/.*")]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(folder / "artifacts") in words and path.parent.name != str(os.getpid()):
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found
