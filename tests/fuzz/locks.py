"""Hash-locked requirements of strangers: no file that is taken may mean anything else to pip."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from runner.core.errors import RunnerError
from runner.engines.environments.wheels import read_lock
from tests.fuzz.folders import KIND_DOES
from tests.fuzz.outcome import Case, Finding, watched
from tests.fuzz.values import STRINGS
from tests.fuzz.watch import Watch

NAME = "requirements-cpu.txt"
BREAKS = ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")
OPTIONS = (
    "--find-links=/tmp/x", "-f /tmp/x", "--no-binary=:all:", "--index-url http://127.0.0.1/",
    "-r other.txt",
    "-c other.txt", "-e .", "--extra-index-url=http://127.0.0.1/", "--pre", "--trusted-host=x",
    "--no-index",
    "--use-feature=fast-deps", "--config-settings x=y", "--global-option=x", "--prefer-binary",
    "--require-hashes",
)  # fmt: skip
LINES = (
    "evil @ file:///tmp/evil.tar.gz", "./evil", "/tmp/evil-1.0.tar.gz", "file:///tmp/evil", "evil",
    "evil>=1",
    "evil==1.*", "evil==1", "evil===1", "evil==1 ; python_version > '3'", "evil[extra]==1", "git+https://x/y",
    "http://127.0.0.1/evil.whl", "evil==1 --no-binary=:all:", "evil==${HOME}", "-", "--", "#",
    "\\", "evil\\",
)  # fmt: skip
HASH = "--hash=sha256:" + "a" * 64


def judge(lock: Path) -> Callable[[Case, Watch], Iterator[Finding]]:
    """The target over changed copies of a lock."""
    lines = lock.read_text().split("\n")

    def run(case: Case, watch: Watch) -> Iterator[Finding]:
        path = case.work / NAME
        case.names = (NAME,)
        text = _forged(case, lines)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        if case.random.random() < 0.02:
            kind = case.random.choice(
                (
                    "a pipe",
                    "a link to /dev/zero",
                    "a folder",
                    "UTF-16",
                    "a hole",
                    "missing",
                    "bits flipped",
                )
            )
            KIND_DOES[kind](path, case.random, case.secret)
            case.done.append(kind)
        yield from compared(case, watch, path)

    return run


def compared(case: Case, watch: Watch, path: Path) -> Iterator[Finding]:
    """A lock as we read it, and where it is taken, as pip does."""
    pins: list[tuple[str, str, frozenset[str]]] = []
    answer = watched(
        case, watch, lambda: pins.extend((p.name, p.version, p.sha256) for p in read_lock(path))
    )
    yield from answer.findings
    if answer.code == 0:
        yield from _unlike(case, path, pins)


def _forged(case: Case, lines: list[str]) -> str:
    random = case.random
    start = random.randrange(len(lines))
    chosen = lines[start : start + random.choice((3, 12, 60))]
    while chosen and chosen[0].startswith(" "):
        chosen.pop(0)
    honest = random.random() < 0.3
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(chosen) + 1) if chosen else 0
        told = random.choice(
            ("inserts", "splices", "drops", "joins", "ends", "comment", "honest", "honest")
        )
        odd = _odd(random)
        case.done.append(f"{told} {odd[:80]!r} at {at}")
        if honest or told == "honest":
            chosen.insert(_boundary(chosen, at), _pin(random))
            continue
        if told == "inserts" or not chosen:
            chosen.insert(at, odd)
            continue
        at = min(at, len(chosen) - 1)
        line = chosen[at]
        cut = random.randrange(len(line) + 1)
        if told == "splices":
            chosen[at] = line[:cut] + odd + line[cut:]
        elif told == "drops":
            del chosen[at]
        elif told == "joins":
            chosen[at] = line + random.choice(("\\", " \\ ", "\\\\", " ")) + odd
        elif told == "ends":
            chosen[at] = line + random.choice(BREAKS) + odd
        else:
            chosen[at] = f"{line} # x{random.choice(BREAKS)}{odd}"
    return "\n".join(chosen) + random.choice(("\n", "", "\\\n", "\\"))


def _boundary(lines: list[str], at: int) -> int:
    """The next place between two requirements."""
    while 0 < at < len(lines) and lines[at - 1].endswith("\\"):
        at += 1
    return min(at, len(lines))


def _pin(random: Random) -> str:
    """A requirement that is right, or nearly."""
    name = _mostly(
        random, ("evil", "Evil.Name", "e-_.v", "e"), ("-e", ".e", "e.", "é", "e[x]", "e ")
    )
    version = _mostly(
        random,
        ("1", "1.0+cpu", "1!2.0", "1.0.post1"),
        ("1.*", "2;x", "1,<2", "v1", "1_0", "${HOME}"),
    )
    marker = _mostly(
        random,
        ("", "", " ; python_version > '3'", " ; sys_platform == 'win32' or os_name == 'nt'"),
        (
            " ; extra == 'x'",
            ";python_version>'3'",
            " ; python_version > '3' --hash=sha256:x",
            " ; platform_machine != '--pre'",
        ),
    )
    between = _mostly(random, (" ", " \\\n    "), ("\t", "  ", " \\\r\n", "\\\n"))
    digest = _mostly(
        random,
        (HASH, f"{HASH} {HASH}", f"{HASH}  # --pre"),
        (
            *(HASH.upper(), HASH + "f", HASH.replace("256", "512"), f"{HASH} --pre"),
            *(f"{HASH} -e .", f"{HASH} # --pre", f"{HASH} #--pre", f"{HASH}# x"),
        ),
    )
    return f"{name}=={version}{marker}{between}{digest}"


def _mostly(random: Random, right: Sequence[str], wrong: Sequence[str]) -> str:
    return random.choice(right if random.random() < 0.85 else wrong)


def _odd(random: Random) -> str:
    kind = random.random()
    if kind < 0.4:
        return random.choice(OPTIONS)
    if kind < 0.7:
        return random.choice(LINES) + random.choice(("", f" {HASH}", f" \\\n    {HASH}"))
    if kind < 0.85:
        return random.choice(BREAKS) + random.choice(OPTIONS)
    return random.choice(STRINGS)


def _unlike(
    case: Case, path: Path, pins: list[tuple[str, str, frozenset[str]]]
) -> Iterator[Finding]:
    """What pip would make of a file that was taken, where it is something else."""
    try:
        meant = as_pip_reads(path)
    except Exception as error:
        yield Finding(
            kind="wrong", told="a lock is taken that pip refuses", detail=repr(error)[:500]
        )
        return
    if odd := [one for one in meant if one[0] is None]:
        yield Finding(
            kind="wrong",
            told="a lock is taken whose lines are options to pip",
            detail=str(odd)[:500],
        )
    elif sorted(map(str, meant)) != sorted(map(str, pins)):
        yield Finding(
            kind="wrong",
            told="a lock is taken that says something else to pip",
            detail=f"{meant}\n{pins}"[:1500],
        )


def as_pip_reads(path: Path) -> list[tuple[str | None, str, frozenset[str]]]:
    """Name, version and digests of every line by pip's own parser; options have no name."""
    from pip._internal.network.session import PipSession
    from pip._internal.req.req_file import RequirementsFileParser, get_line_parser

    os.environ.pop("HOME", None)
    parse = get_line_parser(None)
    plain = vars(parse("x==1")[1])
    parser = RequirementsFileParser(PipSession(), parse)
    found: list[tuple[str | None, str, frozenset[str]]] = []
    for line in parser.parse(str(path), constraint=False):
        options = vars(line.opts)
        given = {key for key, value in options.items() if str(value) != str(plain[key])}
        match = re.fullmatch(r"([\w.-]+)==([^\s;]+)(?: ; [^;]+)?", (line.requirement or "").strip())
        hashes = options.get("hashes") or {}
        if not match or given - {"hashes"} or line.is_editable or set(hashes) - {"sha256"}:
            found.append((None, f"{line.requirement} {sorted(given)}", frozenset()))
        else:
            found.append((match[1], match[2], frozenset(hashes.get("sha256", ()))))
    return found


__all__ = ["RunnerError", "as_pip_reads", "judge"]
