"""A whole phase whose jobs are hostile: an engine that runs nothing and leaves what it is told to.

Whatever one arm leaves, writes into its events or its log, the phase goes on: the other arms keep
their results, and the hub that is sealed verifies.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random
from typing import Any

from runner.core.digest import sha256_file
from runner.core.project import models_digest
from runner.engines.base import Handle, Launch, Outcome
from runner.jobs.collection import RESULT
from runner.phase import execute
from runner.verify.audit_report import REPORT
from tests.fuzz.events import NAME as EVENTS
from tests.fuzz.events import written
from tests.fuzz.folders import digests, put
from tests.fuzz.outcome import HIDDEN, Case, Finding, command, pages
from tests.fuzz.outputs import spoil_output
from tests.fuzz.seeds import Seed
from tests.fuzz.values import STRINGS, dumped
from tests.fuzz.watch import Watch

ROOT = Path(__file__).parents[2]

STATUSES = ("succeeded", "failed", "timed_out", "out_of_memory")


@dataclass(kw_only=True)
class Puppet:
    """The engine. The job called ``victim`` does not leave what the hub of ``seed`` has of it."""

    seed: Seed
    victim: str
    random: Random
    done: list[str]
    secret: Path
    watch: Watch
    name: str = "process"
    isolated: bool = False
    side_by_side: None = None

    def __post_init__(self) -> None:
        self._looks: dict[str, int] = {}

    def check(self) -> None:
        """Always ready."""

    def start(self, launch: Launch) -> Handle:
        """Leave the output at once."""
        job = json.loads((launch.job_dir / "job.json").read_bytes())
        key = launch.name
        fill(self.seed.folder, launch, job["experiment"])
        if key == self.victim:
            with self.watch.paused():
                self._spoil(launch)
        self._looks[key] = 0
        facts = {
            "engine": self.name, "id": key, "name": key, "log_path": str(launch.log_path),
            "out_dir": str(launch.out_dir), "started_at": time.time(), "timeout_s": 60.0,
        }  # fmt: skip
        facts |= {f.name: 2**30 for f in fields(Handle) if f.name not in facts}
        return Handle(**facts)  # type: ignore[arg-type]

    def _spoil(self, launch: Launch) -> None:
        random = self.random
        if random.random() < 0.5:
            lines = [written(random) for _ in range(random.choice((1, 5, 30)))]
            self.done.append(f"{EVENTS}: {b''.join(lines)[:300]!a}")
            put(launch.out_dir / EVENTS, b"".join(lines))
        if random.random() < 0.2:
            put(
                launch.log_path,
                random.choice(STRINGS).encode("utf-8", "surrogatepass") * random.choice((1, 30))
                + b"\n\xff\x00",
            )
        attempt = _Attempt(launch=launch)
        if random.random() < 0.7:
            spoil_output(random, attempt, self.done, self.secret)  # type: ignore[arg-type]

    def poll(self, handle: Handle) -> Outcome | None:
        """Ended at the second look; a victim perhaps not well."""
        self._looks[handle.name] += 1
        if self._looks[handle.name] < 2:
            return None
        status = (
            self.random.choice(STATUSES)
            if handle.name == self.victim and self.random.random() < 0.2
            else "succeeded"
        )
        return Outcome(
            status=status,
            exit_code=0,
            message="" if status == "succeeded" else status,
            started_at=handle.started_at,
            ended_at=time.time(),
        )  # type: ignore[arg-type]

    def wait(self, handles: Collection[Handle], at_most_s: float) -> None:
        """All have ended."""

    def stop(self, handle: Handle) -> None:
        """Nothing runs."""

    def adopt(self, handle: Handle) -> bool:
        """Nothing is left over."""
        return False

    def remove_leftovers(self, run_id: str, spare: object = ()) -> list[str]:
        """Nothing is left over."""
        return []

    def describe(self) -> dict[str, object]:
        """As the engine that the hub was made by."""
        facts: dict[str, object] = self.seed.record["engine"]["facts"]
        return {**facts, "models_sha256": models_digest(ROOT)}


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    launch: Launch


def fill(hub: Path, launch: Launch, experiment: str) -> None:
    """What the hub has of a job, as its output now; files that no hub keeps are stand-ins."""
    if experiment == "audit":  # hubs from before have none
        _find_nothing(launch)
        return
    result, places = _kept(hub, launch.name, experiment)
    table: dict[str, Any] = json.loads(result.read_bytes())
    table["job_sha256"] = sha256_file(launch.job_dir / "job.json")
    for entry in table["files"]:
        source = next((one for place in places if (one := place / entry["path"]).is_file()), None)
        put(
            launch.out_dir / entry["path"],
            source.read_bytes() if source else entry["path"].encode(),
        )
    _read_back_today(launch)
    now = digests(launch.out_dir)
    for entry in table["files"]:
        entry |= {
            "sha256": now[entry["path"]],
            "bytes": (launch.out_dir / entry["path"]).stat().st_size,
        }
    put(launch.out_dir / RESULT, dumped(table))


def _find_nothing(launch: Launch) -> None:
    """The report of an audit that agrees, as its job asks for it."""
    job = json.loads((launch.job_dir / "job.json").read_bytes())
    check = {"name": "everything", "verdict": "agrees", "compared": 1}
    put(launch.out_dir / REPORT, dumped({
        "schema_version": 1, "level": "in part", "parts": job["parameters"]["audit"]["parts"],
        "not_comparable": 0, "differences": [], "checks": [check],
    }))  # fmt: skip
    files = [{
        "path": REPORT, "sha256": digests(launch.out_dir)[REPORT], "deterministic": True,
        "bytes": (launch.out_dir / REPORT).stat().st_size,
    }]  # fmt: skip
    digest = sha256_file(launch.job_dir / "job.json")
    put(launch.out_dir / RESULT, dumped({
        "schema_version": 1, "experiment": "audit", "job_sha256": digest, "files": files,
    }))  # fmt: skip


def _read_back_today(launch: Launch) -> None:
    """Knobs that have come since the hub was made are read back as planned, as by an honest job."""
    path = launch.out_dir / "effective_config.json"
    if path.is_file():
        planned = json.loads((launch.job_dir / "job.json").read_bytes())["parameters"]
        put(path, dumped(json.loads(path.read_bytes()) | {"parameters": planned}))


def _kept(hub: Path, name: str, experiment: str) -> tuple[Path, list[Path]]:
    """The ``result.json`` of a job in a hub, and where its files may lie."""
    folders = {
        "simulate": "dataset",
        "summarise": "summary",
        "test": "tests",
        "train": f"arms/{name}",
    }
    folder = hub / folders[experiment] if experiment in folders else _step(hub, name)
    return folder / RESULT, [folder, hub]


def _step(hub: Path, name: str) -> Path:
    found = [path.parent for path in sorted(hub.glob(f"steps/*/*/{RESULT}"))]
    return next((one for one in found if name.endswith(one.name)), found[0])


def judge(seeds: list[Seed]) -> Callable[[Case, Watch], Iterator[Finding]]:
    """The target over the phases of these hubs."""

    def run(case: Case, watch: Watch) -> Iterator[Finding]:
        random = case.random
        seed = random.choice(seeds)
        phase = seed.folder.parent.name
        manifest = case.work / f"{phase}.toml"
        manifest.write_bytes((seed.folder / "manifest.toml").read_bytes())
        shutil.copytree(ROOT / "tests" / "models", case.work / "tests" / "models")
        arms = [arm["name"] for arm in seed.record["arms"]]
        steps = [
            f"{step['name']}_{one['arm']}"
            for step in seed.record["steps"]
            for one in step["captures"]
        ]
        victim = random.choice(
            [
                *arms,
                *arms,
                "dataset",
                *(f"{job}.audit" for job in ("dataset", *arms)),
                "summary",
                *(["regression_tests"] if seed.record["tests"] else []),
                *steps,
            ]
        )
        case.done.append(f"victim {victim}")
        secret = case.root / "away" / "secret.txt"  # where what the jobs do may leave traces
        (secret.parent / HIDDEN).mkdir(parents=True)
        secret.write_bytes(case.secret.read_bytes())
        puppet = Puppet(
            seed=seed, victim=victim, random=random, done=case.done, secret=secret, watch=watch
        )
        execute.open_engine = lambda *_: puppet  # type: ignore[assignment]
        answer = command(
            case,
            watch,
            [
                "run",
                str(manifest),
                "--engine",
                "process",
                "--device",
                "cpu",
                "--out",
                "out/artifacts",
            ],
        )
        yield from answer.findings
        if answer.code is None or answer.findings:
            return
        yield from _wrong(case, watch, answer.out, arms, victim)
        yield from pages(case.out)

    return run


def _wrong(case: Case, watch: Watch, out: str, arms: list[str], victim: str) -> Iterator[Finding]:
    """What is wrong with the hub that the phase left."""
    hub = Path(out.strip().splitlines()[-1]) if out.strip() else Path("nowhere")
    if not (hub / "SHA256SUMS").is_file():
        yield Finding(kind="wrong", told="a hostile job kept the phase from its hub", detail=out)
        return
    record = json.loads((hub / "hub.json").read_bytes())
    for arm in record["arms"]:
        if arm["name"] != victim and victim in arms and arm["status"] != "succeeded":
            yield Finding(
                kind="wrong",
                told="an arm takes another one along",
                detail=f"{arm['name']}: {arm['status']}: {arm['message']}",
            )
    answer = command(case, watch, ["verify", str(hub)])
    yield from answer.findings
    if answer.code:
        yield Finding(
            kind="wrong", told="a hub of a hostile job does not verify", detail=answer.err[:1500]
        )
