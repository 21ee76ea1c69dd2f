"""Hubs of strangers: any file of one changed, sealed anew or not, and every verb that reads one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz import archives
from tests.fuzz.folders import APART, CHECKSUMS, copy_tree, digests, put, reseal, spoil
from tests.fuzz.outcome import SECRET, Answer, Case, Finding, command, leaks, pages
from tests.fuzz.seeds import HERE, Seed
from tests.fuzz.values import STRINGS, dumped, mutate, shown, words
from tests.fuzz.watch import NO_PYTHON, Watch

WEIGHTS = {
    "hub.json": 30, "plan.json": 10, "statistics.json": 6, "provenance.json": 3, "journal.jsonl": 1,
    "ro-crate-metadata.json": 3, "environment.json": 2, "manifest.toml": 6, CHECKSUMS: 6,
    "code/Dockerfile": 2, "code/models/requirements-cpu.txt": 3, "SHA256SUMS.sig": 2,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Forged:
    """A changed hub in the case's folder."""

    seed: Seed
    folder: Path
    original: Path
    sealed: bool
    """Whether everything that speaks of the files was brought up to date."""
    intact: bool
    """Whether every file is still the one that ``SHA256SUMS`` names."""


def judge(seeds: list[Seed]) -> Callable[[Case, Watch], Iterator[Finding]]:
    """The target over these hubs."""

    def run(case: Case, watch: Watch) -> Iterator[Finding]:
        seed = case.random.choices(seeds, [1] * (len(seeds) // 2) + [5] * (len(seeds) // 2))[0]
        verb = case.random.choice(_VERBS)
        hub = forge(case, seed, case.work / "artifacts")
        answer = verb(case, watch, hub)
        yield from answer.findings
        yield from leaks(case.out)
        if verb not in (_restore, _bag):
            yield from pages(case.out)
        yield from wrong(hub, verb, answer)

    return run


# --- forging -------------------------------------------------------------------------------------


def forge(case: Case, seed: Seed, artifacts: Path) -> Forged:
    """A copy of a hub with one to three changes, half the time sealed anew."""
    random = case.random
    folder = artifacts / seed.folder.parent.name / "2026-12-24T180000Z"
    copy_tree(seed.folder, folder)
    sealed = random.random() < 0.6
    changes = random.choice((1, 1, 1, 2, 3))
    touched = [_change(case, seed, folder) for _ in range(changes)]
    if sealed:
        reseal(folder, seed.digests, seed.inodes)
        if random.random() < 0.06:
            case.done.append("after the seal:")
            touched.append(_change(case, seed, folder))
            sealed = False
    # The summary is of the hub as it is now; what cannot be read counts as changed.
    case.done.append("sealed anew" if sealed else "left as it is")
    phase = seed.folder.parent.name
    case.names = (folder.name, phase, "artifacts", "work/out", *(Path(t).name for t in touched))
    return Forged(
        seed=seed,
        folder=folder,
        original=seed.folder,
        sealed=sealed,
        intact=sealed or _intact(folder, seed),
    )


def _intact(folder: Path, seed: Seed) -> bool:
    """Whether a folder has exactly the files that its sums list; the signature does not count."""
    now = digests_bounded(folder, seed)
    for name in APART:
        now.pop(name, None)
    lines = _lines(folder)
    return len(lines) == len(now) and now == {line[66:]: line[:64] for line in lines}


def _lines(folder: Path) -> list[str]:
    """What ``SHA256SUMS`` lists, in whatever order; nothing where it cannot be read as one."""
    path = folder / CHECKSUMS
    if path.is_symlink() or not path.is_file() or path.stat().st_size > 10**7:
        return []
    *lines, end = path.read_text(errors="replace").split("\n")
    return [] if end else lines


def digests_bounded(folder: Path, seed: Seed) -> dict[str, str]:
    """Digests of the regular files, anything else as a word for what it is."""
    found = digests(folder, seed.inodes)
    for here, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = os.path.join(here, name)
            relative = path[len(os.fspath(folder)) + 1 :]
            if os.path.islink(path) or (name in names and relative not in found):
                found[relative] = "odd"
    return found


def _change(case: Case, seed: Seed, folder: Path) -> str:
    """Make one change; the name of the file that was changed."""
    random = case.random
    kind = random.random()
    if kind < 0.10:
        return _rename(case, seed, folder)
    name = _file(seed, random)
    path = folder / name
    if not path.is_file() or path.is_symlink() or path.stat().st_size > 10**7:
        return name
    if kind < 0.30:
        case.done.append(spoil(folder, name, random, case.secret))
    elif name.endswith(".json"):
        _change_json(case, path, name, seed)
    else:
        _change_lines(case, path, name)
    return name


def _file(seed: Seed, random: Random) -> str:
    if random.random() < 0.55:
        return random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    if random.random() < 0.7:
        return random.choice(list(seed.texts))
    return random.choice(seed.files)


def _change_json(case: Case, path: Path, name: str, seed: Seed) -> None:
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    for _ in range(case.random.choice((1, 1, 1, 2, 4))):
        value, told = mutate(value, case.random, seed.words)
        case.done.append(f"{name}: {told}")
    put(path, dumped(value, indent=2 if case.random.random() < 0.1 else None))


def _change_lines(case: Case, path: Path, name: str) -> None:
    """A text with a line that is repeated, moved, dropped, replaced, or has something put in."""
    random = case.random
    lines = path.read_bytes().split(b"\n")
    at = random.randrange(len(lines))
    odd = random.choice(STRINGS).encode("utf-8", "surrogatepass")
    told = random.choice(("drops", "repeats", "replaces", "inserts", "swaps", "joins", "splices"))
    if told == "drops":
        del lines[at : at + random.choice((1, 5))]
    elif told == "repeats":
        lines[at:at] = [lines[at]] * random.choice((1, 1, 3, 1000))
    elif told == "replaces":
        lines[at] = odd
    elif told == "inserts":
        lines.insert(at, odd)
    elif told == "swaps":
        other = random.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif told == "joins":
        lines[at : at + 2] = [
            random.choice((b"", b"\r", b"\x0b", b"\x0c")).join(lines[at : at + 2])
        ]
    else:
        cut = random.randrange(len(lines[at]) + 1)
        lines[at] = lines[at][:cut] + odd + lines[at][cut:]
    case.done.append(f"{name}: line {at + 1} {told} {shown(odd)}")
    put(path, b"\n".join(lines))


def _rename(case: Case, seed: Seed, folder: Path) -> str:
    """Something is called otherwise wherever it is named: in every text, and as a folder."""
    random = case.random
    record = seed.record
    kinds = {
        "arm": [arm["name"] for arm in record["arms"]],
        "phase": [record["phase"]],
        "step": [step["name"] for step in record["steps"]],
        "compared": [one["name"] for one in record["compared"]],
        "rule": [rule["rule"] for arm in record["arms"] for rule in arm["rules"]],
        "file": [file["path"] for arm in record["arms"] for file in arm["files"]],
        "knob": ["learning_rate", "train", "model", "dataset", "optimizer"],
        "status": ["succeeded"],
        "log": [arm["log"] for arm in record["arms"]],
        "stage": [record["stage"]],
        "commit": [record["code"]["commit"] or "x"],
        "device": ["cpu", "native"],
        "metric": ["amp_ssim", "collapsed", "final_weights_sha256"],
        "checkpoint": ["at_collapse", "last", "best"],
        "time": [record["started"], record["ended"]],
    }
    kind = random.choice([kind for kind, names in kinds.items() if names])
    old = random.choice(kinds[kind])
    new = random.choice((random.choice(STRINGS), random.choice(STRINGS), random.choice(seed.words)))
    case.done.append(f"{kind} {old!r} is called {shown(new)} everywhere")
    spelled = json.dumps(new)[1:-1] if random.random() < 0.5 else dumped(new).decode()[1:-1]
    for name in seed.texts:
        path = folder / name
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 10**7:
            content = path.read_bytes()
            changed = content.replace(f'"{old}"'.encode(), f'"{spelled}"'.encode())
            if changed != content:
                put(path, changed)
    for place in (folder / "arms" / old, folder / "steps" / old, folder / "compared" / old):
        _move_inside(folder, place, place.parent / new)
    return old


def _move_inside(folder: Path, source: Path, target: Path) -> None:
    """Move a folder to the name that it has now, if that lies inside the hub."""
    try:
        inside = os.path.normpath(target).startswith(f"{folder}/")
        if inside and source.is_dir() and not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
    except (OSError, ValueError, RecursionError):
        pass


# --- verbs ---------------------------------------------------------------------------------------


def _verify(case: Case, watch: Watch, hub: Forged) -> Answer:
    signed = ["--signers", str(HERE / "signers")] if case.random.random() < 0.2 else []
    return command(case, watch, ["verify", str(hub.folder), *signed])


def _show(case: Case, watch: Watch, hub: Forged) -> Answer:
    return command(case, watch, ["show", str(hub.folder)])


def _list(case: Case, watch: Watch, hub: Forged) -> Answer:
    copy_tree(hub.original, case.work / "artifacts" / hub.seed.name)
    return command(case, watch, ["list", "--out", "artifacts"])


def _diff(case: Case, watch: Watch, hub: Forged) -> Answer:
    pair = [str(hub.original), str(hub.folder)]
    case.random.shuffle(pair)
    return command(
        case, watch, ["diff", *pair, *(["--json"] if case.random.random() < 0.3 else [])]
    )


def _archive(case: Case, watch: Watch, hub: Forged) -> Answer:
    extra = case.random.choice(([], [], [], ["--with-dataset"], ["--with-image"]))
    return command(
        case, watch, ["archive", str(hub.folder), "-o", "out/x.phasehub.tar.zst", *extra]
    )


def _archive_here(case: Case, watch: Watch, hub: Forged) -> Answer:
    """Without a name: the archive may come to lie in the working folder, and nowhere else."""
    os.chdir(case.out)
    answer = command(case, watch, ["archive", str(hub.folder)])
    os.chdir(case.work)
    return answer


def _archive_to(case: Case, watch: Watch, hub: Forged) -> Answer:
    (case.out / "store").mkdir()
    return command(case, watch, ["archive", str(hub.folder), "--to", f"file://{case.out}/store/"])


def _bag(case: Case, watch: Watch, hub: Forged) -> Answer:
    return command(case, watch, ["archive", "--bag", str(hub.folder), "-o", "out/bag"])


def _docs(case: Case, watch: Watch, hub: Forged) -> Answer:
    docs = case.out / "docs"
    (docs / "study").mkdir(parents=True)
    named = [str(hub.folder)] if case.random.random() < 0.6 else []
    return command(
        case, watch, ["docs", "sync", *named, "--artifacts", "artifacts", "--docs", str(docs)]
    )


def _restore(case: Case, watch: Watch, hub: Forged) -> Answer:
    file = case.work / "x.phasehub.tar.zst"
    archives.write(archives.members_of(hub.folder, hub.seed.name), file, hub.seed.name)
    case.names = (*case.names, file.name)
    return command(
        case, watch, ["restore", str(file), "--out", "out/artifacts", "--limit-gib", "0.2"]
    )


def _diagnose(case: Case, watch: Watch, hub: Forged) -> Answer:
    arm = case.random.choice([arm["name"] for arm in hub.seed.record["arms"]])
    engine = case.random.choice(
        (["--engine", "docker"], ["--engine", "process", "--python", NO_PYTHON])
    )
    return command(case, watch, ["diagnose", str(hub.folder), arm, "--out", "out/d", *engine])


def _reproduce(case: Case, watch: Watch, hub: Forged) -> Answer:
    random = case.random
    here = ["--engine", "process", "--python", NO_PYTHON, *CONSENTS[:1]]
    words = random.choice(
        (
            ["--python", NO_PYTHON],
            ["--engine", "docker"],
            ["--engine", "docker", *CONSENTS[1:]],
            here,
            [*here, *CONSENTS[1:]],
        )
    )
    arm = ["--arm", random.choice(hub.seed.words)] if random.random() < 0.1 else []
    return command(case, watch, ["reproduce", str(hub.folder), "--out", "out", *words, *arm])


def _compare(case: Case, watch: Watch, hub: Forged) -> Answer:
    pair = [str(hub.original), str(hub.folder)]
    case.random.shuffle(pair)
    kept = ["--out", "out/c"] if case.random.random() < 0.7 else []
    return command(case, watch, ["compare", *pair, "--python", NO_PYTHON, *kept])


def _export(case: Case, watch: Watch, hub: Forged) -> Answer:
    return command(case, watch, ["export", str(hub.folder), "--to", "csv", "-o", "out/csv"])


CONSENTS = (
    "--run-foreign-code-on-this-machine",
    "--allow-limits",
    "--allow-network",
    "--allow-dockerfile",
    "--allow-base-image",
)
Verb = Callable[[Case, Watch, Forged], Answer]
VERBS: dict[Verb, int] = {
    _verify: 6, _show: 5, _list: 3, _diff: 5, _archive: 2, _archive_here: 1, _archive_to: 1,
    _bag: 2, _docs: 4, _restore: 2, _diagnose: 3, _reproduce: 4, _compare: 4, _export: 3,
}  # fmt: skip
_VERBS = [verb for verb, times in VERBS.items() for _ in range(times)]
REFUSING = (_verify, _archive, _archive_here, _archive_to, _bag, _restore, _diagnose, _reproduce)
"""Verbs that must refuse a hub that is not as it was sealed."""


def wrong(hub: Forged, verb: Verb, answer: Answer) -> Iterator[Finding]:
    """Answers that are not true."""
    if verb in REFUSING and answer.code == 0 and not hub.intact:
        yield Finding(
            kind="wrong", told=f"{verb.__name__} took a hub that was changed", detail=answer.out
        )


def known_words(seed: Seed) -> tuple[str, ...]:
    """For other targets."""
    return words(seed.record)


__all__ = ["SECRET", "forge", "judge"]
