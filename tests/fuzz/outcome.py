"""One case: run in a fresh folder, watched, and judged by what came of it.

Allowed are the right answer, and an error of the runner that names the place and the remedy.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import sys
import tempfile
import traceback
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from runner.core.errors import EXIT_CODES, RunnerError
from tests.fuzz.watch import Forbidden, Watch

MOST_TOLD = {"stdout": 5_000_000, "stderr": 100_000}
"""Characters that a verb may say: tables of thousands of arms, but no such mistakes."""
EXPECTED = frozenset(EXIT_CODES) - {70, 130, 141}
SECRET = "CANARY-5f0c9d"
"""In a file beside the case's folder; where it shows up, a file was read that is nobody's."""
HIDDEN = "outside"
ELSEWHERE = ("Docker daemon", "interpreter", "--python")
"""What a message may name in place of an input: what is wrong is not with it."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What must not happen, and where."""

    kind: str
    """bug, hang, memory, outside, process, network, control, leak, wrong, vague, code."""
    told: str
    """The exception, or what was seen, in a line."""
    place: str = ""
    """Innermost frame of the runner."""
    detail: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Findings with the same key are one."""
        return self.kind, self.told.split(":")[0][:60] if self.place else self.told[:80], self.place


@dataclass(kw_only=True)
class Case:
    """A case's folder and what was done to make it."""

    target: str
    seed: int
    number: int
    root: Path
    random: Random
    done: list[str] = field(default_factory=list)
    """The mutations, and the command."""
    codes: list[int | None] = field(default_factory=list)
    """Exit codes of what was run."""
    names: tuple[str, ...] = ()
    """Words one of which a message must have in its first line."""

    @property
    def work(self) -> Path:
        """The folder in which the verb runs."""
        return self.root / "work"

    @property
    def out(self) -> Path:
        """The only folder that a verb may write to, by name."""
        return self.root / "work" / "out"

    @property
    def secret(self) -> Path:
        """A file that is no part of any input."""
        return self.root / "secret.txt"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the command line did."""

    code: int | None
    out: str
    err: str
    findings: tuple[Finding, ...] = ()


# --- the folder ----------------------------------------------------------------------------------


@contextmanager
def fresh(target: str, seed: int, number: int, below: Path) -> Iterator[Case]:
    """A case's folder, removed afterwards."""
    root = below / f"{target}-{seed}-{number}"
    if root.exists():
        clean(root)
    for name in ("work/out", "tmp", "state", "home", HIDDEN):
        (root / name).mkdir(parents=True)
    (root / "secret.txt").write_text(f"{SECRET}\n")
    (root / HIDDEN / "keep.txt").write_text("kept\n")
    case = Case(
        target=target,
        seed=seed,
        number=number,
        root=root,
        random=Random(f"{target}:{seed}:{number}"),
    )
    here = Path.cwd()
    try:
        os.chdir(case.work)
        yield case
    finally:
        os.chdir(here)
        clean(root)


def clean(root: Path) -> None:
    """Remove a folder however deep it is."""
    try:
        shutil.rmtree(root)
    except (OSError, RecursionError):
        os.system(f"rm -rf '{root}'")


def tree(root: Path, free: Path) -> dict[str, tuple[int, ...]]:
    """Kind, size, time and identity of everything below ``root`` but for what is in ``free``."""
    found: dict[str, tuple[int, ...]] = {}
    todo = [os.fspath(root)]
    skipped = os.fspath(free)
    while todo:
        folder = todo.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:  # deeper than a path may be long
            continue
        for entry in entries:
            if entry.path == skipped:
                continue
            try:
                facts = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(facts.st_mode):
                todo.append(entry.path)
                found[entry.path] = (facts.st_mode,)
            else:
                found[entry.path] = (facts.st_mode, facts.st_size, facts.st_mtime_ns, facts.st_ino)
    return found


# --- running -------------------------------------------------------------------------------------


class Streams:
    """Standard output and error as a terminal would get them: UTF-8, strict as in Python."""

    def __init__(self) -> None:
        self.out, self.err = io.BytesIO(), io.BytesIO()

    def __enter__(self) -> Streams:
        self._before = sys.stdout, sys.stderr, sys.argv
        sys.stdout = io.TextIOWrapper(self.out, "utf-8", "strict", write_through=True)
        sys.stderr = io.TextIOWrapper(self.err, "utf-8", "backslashreplace", write_through=True)
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(ValueError):  # closed, or detached
                stream.flush()
        self.told = self.out.getvalue(), self.err.getvalue()
        sys.stdout, sys.stderr, sys.argv = self._before


def command(case: Case, watch: Watch, words: list[str]) -> Answer:
    """Run the command line as ``phasehub`` does, in this process; what it said and did."""
    from runner.cli import main

    def run() -> None:
        sys.argv = ["phasehub", *words]
        main()

    case.done.append("phasehub " + " ".join(words))
    return watched(case, watch, run)


def watched(case: Case, watch: Watch, run: Callable[[], object]) -> Answer:
    """Run something in the case's folder; an exception that is not the runner's is a finding."""
    os.environ.update(
        PHASEHUB_STATE=os.fspath(case.root / "state"),
        TMPDIR=os.fspath(case.root / "tmp"),
        HOME=os.fspath(case.root / "home"),
        DOCKER_HOST="unix:///nonexistent/docker.sock",
    )
    tempfile.tempdir = os.fspath(case.root / "tmp")
    before = tree(case.root / "work", case.out) | tree(case.root / HIDDEN, case.out)
    findings: list[Finding] = []
    code: int | None = 0
    with Streams() as streams:
        watch.begin(case.root)
        try:
            run()
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else 0 if done.code is None else 70
        except Forbidden:
            code = None
        except RunnerError as error:
            code = error.exit_code
            sys.stderr.write(f"phasehub: {error}\n")
        except BaseException:
            code = None
            findings.append(bug(traceback.format_exc()))
        finally:
            offences = watch.end()
    after = tree(case.root / "work", case.out) | tree(case.root / HIDDEN, case.out)
    out, err = (text.decode("utf-8", "replace") for text in streams.told)
    findings += [
        *map(offence, offences),
        *differing(case, before, after),
        *of_streams(case, code, out, err),
    ]
    if code == RunnerError.exit_code:
        logs = sorted((case.root / "tmp").glob("phasehub-bug-*.log"))
        findings += [bug(log.read_text(errors="replace")) for log in logs]
        if not logs:
            findings.append(
                Finding(kind="code", told="exit code 70 without a log", detail=err[:500])
            )
    case.codes.append(code)
    return Answer(code=code, out=out, err=err, findings=tuple(findings))


# --- judging -------------------------------------------------------------------------------------

_FRAME = re.compile(r'File "[^"]*/((?:runner|models|tests/fuzz)/[^"]+)", line (\d+), in (\S+)')


def bug(text: str) -> Finding:
    """A traceback as a finding, by its exception and the innermost frame of ours."""
    last = text.split("\nDuring handling of the above")[-1].split("\nThe above exception was")[-1]
    frames = [f for f in _FRAME.findall(last) if not f[0].startswith("tests/")]
    path, line, name = frames[-1] if frames else ("?", "0", "?")
    lines = [one for one in last.strip().splitlines() if one and not one.startswith((" ", "\t"))]
    told = next(
        (one for one in lines[::-1] if re.match(r"[\w.]+(:|$)", one)), lines[-1] if lines else "?"
    )
    kind = "memory" if told.startswith("MemoryError") else "bug"
    return Finding(
        kind=kind, told=told[:300], place=f"{path}:{name}", detail=f"line {line}\n{last[-3000:]}"
    )


def offence(what: str) -> Finding:
    """Something that the watch refused."""
    kind = "process" if what.startswith(("starts", "os.", "pty")) else "outside"
    if what.startswith("os.") and " /" in what:
        kind = "outside"
    kind = "network" if what.startswith("connects") else kind
    frames = [f for f in traceback.extract_stack() if "/runner/" in f.filename]
    return Finding(
        kind=kind,
        told=re.sub(r"\d{3,}|/\S+", "…", what)[:120],
        detail=what + "".join(map(str, frames)),
    )


def differing(
    case: Case, before: dict[str, tuple[int, ...]], after: dict[str, tuple[int, ...]]
) -> Iterator[Finding]:
    """What was written or changed beside the folder that was named."""
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            word = "changed" if path in before and path in after else "made"
            word = word if path in after else "removed"
            told = os.path.relpath(path, case.root)
            yield Finding(
                kind="outside", told=f"{word} {re.sub('[0-9]+', 'N', told)[:80]}", detail=told
            )
            return


def of_streams(case: Case, code: int | None, out: str, err: str) -> Iterator[Finding]:
    """What is wrong with what was said."""
    if code is not None and code not in EXPECTED | {RunnerError.exit_code}:
        yield Finding(kind="code", told=f"exit code {code}", detail=err[:500])
    for name, text in (("stdout", out), ("stderr", err)):
        if len(text) > MOST_TOLD[name]:
            yield Finding(
                kind="long",
                told=f"{name} longer than {MOST_TOLD[name]}",
                detail=f"{len(text)}: {text[:300]}",
            )
        yield from steering(name, text)
        if SECRET in text:
            yield Finding(
                kind="leak", told=f"{name} has what a file outside says", detail=text[:500]
            )
    if code in EXPECTED - {0} and not said(case, err) and not out:
        yield Finding(kind="vague", told=f"no place in: {err[:60]!r}", detail=err[:500])


def said(case: Case, err: str) -> bool:
    """Whether a message has a place in its first line."""
    lines = [line for line in err.splitlines() if line.startswith("phasehub: ")]
    line = lines[-1] if lines else ""
    return len(line) > 15 and (
        not case.names or any(name in line for name in (*case.names, *ELSEWHERE, str(case.root)))
    )


_STEERING = re.compile(
    "["
    + "".join(
        re.escape(sign)
        for sign in map(chr, range(0x110000))
        if unicodedata.category(sign) in ("Cc", "Cf", "Cs") and sign not in "\n\t"
    )
    + "]"
)
"""Signs that can steer a terminal or turn the line around."""


def steering(name: str, text: str) -> Iterator[Finding]:
    """The first sign of a text that steers."""
    if found := _STEERING.search(text):
        around = text[max(0, found.start() - 200) : found.start() + 60]
        yield Finding(kind="control", told=f"{name} has {found[0]!a}", detail=ascii(around))


def leaks(folder: Path) -> Iterator[Finding]:
    """Files below ``folder`` that hold what a file outside says."""
    for path in _files(folder):
        if SECRET.encode() in path.read_bytes():
            told = f"{_general(path, folder)} has what a file outside says"
            yield Finding(kind="leak", told=told, detail=str(path))


def pages(folder: Path) -> Iterator[Finding]:
    """Pages below ``folder`` that a verb has written and that hold signs that steer, or markup.

    What a study keeps of a hub is as it was sealed.
    """
    for path in _files(folder):
        if path.suffix not in (".md", ".html") or "hubs" in path.parts:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        name = _general(path, folder)
        yield from steering(name, text)
        if (at := text.find("<script>alert")) >= 0:
            told = f"{name} has a foreign <script>"
            yield Finding(kind="markup", told=told, detail=text[max(0, at - 200) : at + 200])


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 5_000_000:
            yield path


def _general(path: Path, folder: Path) -> str:
    return re.sub(r"\d+", "N", str(path.relative_to(folder)))[-60:]
