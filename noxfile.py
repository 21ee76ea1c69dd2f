"""The project's commands. `nox -l` is the manual; `sh setup.sh` installs what they need."""

from __future__ import annotations

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import nox

ROOT = Path(__file__).parent
SOURCES = ("phasehub", "runner", "models", "tests", "docs/site", "noxfile.py", "setup.py")
TEST_LOCK = "tests/requirements.txt"
VALIDATOR_LOCK = "tests/validators/requirements.txt"
S3_LOCK = "tests/s3/requirements.txt"
TOOLS_LOCK = "tests/tools/requirements.txt"
PUBLISH_LOCK = "tests/publish/requirements.txt"
BUILD_SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"

QUICK = (
    "tests/house",
    *(f"tests/models/{part}" for part in ("config", "exact")),
    *(
        f"tests/runner/{room}"
        for room in ("core", "experiment", "manifest", "plan", "hub", "report", "study")
    ),
    *(f"tests/runner/jobs/test_{part}.py" for part in ("events", "progress")),
    "--ignore=tests/runner/report/test_real_pages.py",  # its pages are those of a run
)
"""Tests that start no job and need no Docker."""

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["tests"]


def phasehub(session: nox.Session, *arguments: str) -> None:
    """Run the command line of phasehub in the environment that setup.sh made.

    On Ctrl-C nox waits as long as phasehub takes to stop its jobs; what has ended is on record.
    Progress stays on stderr, so that the last line on stdout is the result.
    """
    session.run(
        *(host_python(session), "-m", "runner", *arguments),
        external=True,
        stderr=None,
        interrupt_timeout=None,
        terminate_timeout=None,
    )


def host_python(session: nox.Session) -> str:
    """The interpreter of the environment that setup.sh makes, made now if it is not there yet.

    So any nox will do, in an environment of its own as well: `pipx run nox -s run -- …`.
    """
    python = ROOT / ".venv" / "bin" / "python"
    if not python.exists():
        session.run("sh", "setup.sh", external=True)
    return str(python)


def tool(session: nox.Session, name: str, *arguments: str) -> None:
    """Run a program of the tests' environment, which is made when its lock changes."""
    folder = environment(
        session, ".venv-tests", TEST_LOCK,
        "--no-deps", "--no-build-isolation", "--no-index", "--editable", ".",
    )  # fmt: skip
    session.run(str(folder / "bin" / name), *arguments, external=True)


def environment(session: nox.Session, name: str, lock: str, *rest: str) -> Path:
    """The environment of a lock, made when the lock changes; ``rest`` is installed on top."""
    folder = ROOT / name
    stamp = folder / "lock.sha256"
    digest = hashlib.sha256((ROOT / lock).read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        session.run(host_python(session), "-m", "venv", "--clear", str(folder), external=True)
        python = str(folder / "bin" / "python")
        pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        session.run(*pip, "--require-hashes", "-r", lock, external=True)
        if rest:
            session.run(*pip, *rest, external=True)
        stamp.write_text(digest)
    return folder


def run_lint(session: nox.Session) -> None:
    """Check style and formatting."""
    tool(session, "ruff", "check", *SOURCES)
    tool(session, "ruff", "format", "--check", *SOURCES)


def run_types(session: nox.Session) -> None:
    """Check the types of all packages."""
    tool(session, "mypy")


def run_layers(session: nox.Session) -> None:
    """Check the contracts between the rooms."""
    tool(session, "lint-imports")


def make_other_environments(session: nox.Session) -> None:
    """The environments of programs that tests start: a validator, a server like S3, tools."""
    environment(session, ".venv-publish", PUBLISH_LOCK)
    environment(session, ".venv-validators", VALIDATOR_LOCK)
    environment(session, ".venv-s3", S3_LOCK)
    environment(session, ".venv-tools", TOOLS_LOCK)


@nox.session(venv_backend="none")
def run(session: nox.Session) -> None:
    """Run a phase: `nox -s run -- manifests/phase6.toml [--profile quick] [--with-optional]`."""
    phasehub(session, "run", *session.posargs)


@nox.session(venv_backend="none")
def check(session: nox.Session) -> None:
    """Check a manifest, all mistakes at once: `nox -s check -- manifests/phase8.toml`."""
    phasehub(session, "check", *session.posargs)


@nox.session(venv_backend="none")
def plan(session: nox.Session) -> None:
    """Show what a manifest would run: `nox -s plan -- manifests/phase8.toml`."""
    phasehub(session, "plan", *session.posargs)


@nox.session(venv_backend="none")
def verify(session: nox.Session) -> None:
    """Verify a sealed hub: `nox -s verify -- artifacts/phase8/2026-01-30T050000Z`."""
    phasehub(session, "verify", *session.posargs)


@nox.session(venv_backend="none")
def reproduce(session: nox.Session) -> None:
    """Run a sealed hub again and compare the bits: `nox -s reproduce -- HUB [--arm ARM]`."""
    phasehub(session, "reproduce", *session.posargs)


@nox.session(venv_backend="none")
def archive(session: nox.Session) -> None:
    """Make one file out of a hub: `nox -s archive -- HUB [--with-image] [--with-dataset]`."""
    phasehub(session, "archive", *session.posargs)


@nox.session(venv_backend="none")
def restore(session: nox.Session) -> None:
    """Give back the hub of an archive: `nox -s restore -- FILE`."""
    phasehub(session, "restore", *session.posargs)


@nox.session(venv_backend="none")
def docs_sync(session: nox.Session) -> None:
    """Bring docs/study up to date from sealed hubs: `nox -s docs_sync [-- HUB…]`."""
    phasehub(session, "docs", "sync", *session.posargs)


@nox.session(venv_backend="none")
def base_image(session: nox.Session) -> None:
    """Make the base image phasehub-base:bookworm from Debian packages, without a registry."""
    phasehub(session, "base-image", *session.posargs)


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Lint, types, layers and all tests: `nox -s tests [-- PYTEST ARGUMENTS]`.

    Two workers: most tests wait for a job that has one thread. `-- --numprocesses 0` has none.
    """
    host_python(session)  # both sides need it, and one of them must make it
    with ThreadPoolExecutor(max_workers=1) as beside:
        others = beside.submit(make_other_environments, session)
        run_lint(session)
        run_types(session)
        run_layers(session)
        others.result()
    tool(
        session,
        "pytest",
        "--numprocesses=2",
        "--no-loadscope-reorder",
        "--durations=25",
        *session.posargs,
    )


@nox.session(venv_backend="none")
def quick(session: nox.Session) -> None:
    """Style, types, layers, and the tests of the rooms that start no job: before each commit."""
    run_lint(session)
    run_types(session)
    run_layers(session)
    tool(session, "pytest", "--numprocesses=2", *QUICK, *session.posargs)


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Style and likely bugs (ruff)."""
    run_lint(session)


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Static types (mypy, strict)."""
    run_types(session)


@nox.session(venv_backend="none")
def layers(session: nox.Session) -> None:
    """Which room may import which (import-linter)."""
    run_layers(session)


@nox.session(venv_backend="none")
def audit(session: nox.Session) -> None:
    """What the audit catches of planted bugs, and says of sound arms: `nox -s audit [-- …]`."""
    tool(session, "python", "-m", "tests.audit", *(session.posargs or ("--controls", "200")))


@nox.session(venv_backend="none")
def bench(session: nox.Session) -> None:
    """Speed, as ratios measured side by side in one run."""
    tool(session, "python", "-m", "tests.bench", *session.posargs)


@nox.session(venv_backend="none")
def fuzz(session: nox.Session) -> None:
    """Hostile inputs by the thousand: `nox -s fuzz -- --cases 20000 [--target hubs] [--seed 7]`."""
    tool(session, "python", "-m", "tests.fuzz", *session.posargs)


@nox.session(venv_backend="none")
def faults(session: nox.Session) -> None:
    """Runs that are killed, interrupted and frozen: `nox -s faults -- --cases 200`."""
    tool(session, "python", "-m", "tests.faults", *session.posargs)


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """Regenerate the manifest's reference and the schemas, and build the site into build/site."""
    tool(session, "python", "-m", "runner.commands.schema")
    folder = environment(session, ".venv-publish", PUBLISH_LOCK)
    quiet = {"NO_MKDOCS_2_WARNING": "1"}
    session.run(str(folder / "bin" / "mkdocs"), "build", "--strict", env=quiet, external=True)


@nox.session(venv_backend="none")
def release(session: nox.Session) -> None:
    """Build the tagged version into dist/ and run it: `nox -s release [-- --rehearse]`."""
    python, dist = host_python(session), ROOT / "dist"
    version = say(session, python, "-c", "from runner import __version__ as v; print(v)")
    if "--rehearse" not in session.posargs:
        refuse_untagged(session, f"v{version}")
    shutil.rmtree(dist, ignore_errors=True)
    session.run(python, "-c", BUILD_SDIST, "dist", external=True)
    alone = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    sdist, pip = f"dist/phasehub-{version}.tar.gz", (python, "-m", "pip")
    session.run(*pip, "wheel", *alone, "--no-build-isolation", "-w", "dist", sdist, external=True)
    (wheel,) = dist.glob("*.whl")
    publish = environment(session, ".venv-publish", PUBLISH_LOCK) / "bin"
    session.run(str(publish / "twine"), "check", "--strict", sdist, str(wheel), external=True)
    session.run(str(publish / "cffconvert"), "--validate", external=True)
    with TemporaryDirectory() as elsewhere:
        bare = Path(elsewhere) / "environment"
        session.run(python, "-m", "venv", str(bare), external=True)
        into = (*pip, f"--python={bare}", "install", "--quiet", "--disable-pip-version-check")
        session.run(*into, "--require-hashes", "-r", "runner/requirements.txt", external=True)
        session.run(*into, "--no-deps", "--no-index", str(wheel), external=True)
        manifest = shutil.copy(ROOT / "manifests" / "quickstart.toml", elsewhere)
        with session.chdir(elsewhere):
            shown = say(session, str(bare / "bin" / "phasehub"), "--version")
            session.run(str(bare / "bin" / "phasehub"), "check", manifest, external=True)
    if shown != f"phasehub {version}":
        session.error(f"the wheel of {version} says: {shown}")


def say(session: nox.Session, *words: str) -> str:
    """What a program prints."""
    return str(session.run(*words, external=True, silent=True)).strip()


def refuse_untagged(session: nox.Session, tag: str) -> None:
    """End the session unless the commit has this tag and nothing is changed since."""
    if tag not in say(session, "git", "tag", "--points-at", "HEAD").split():
        session.error(f"this commit has no tag {tag}; rehearse a release with `-- --rehearse`")
    if changed := say(session, "git", "status", "--porcelain"):
        session.error(f"not as it was committed:\n{changed}")


@nox.session(venv_backend="none")
def lock(session: nox.Session) -> None:
    """Rewrite the nine hash-locked files: `nox -s lock [-- --upgrade]`."""
    find_links = os.environ.get("PIP_FIND_LINKS")
    compile_ = [
        *(host_python(session), "-m", "uv", "pip", "compile", "--quiet", "--generate-hashes"),
        *("--no-header", "--no-emit-index-url", "--no-emit-find-links"),
        *("--python-version", "3.11"),
        *session.posargs,
    ]
    linux = ["--python-platform", "x86_64-manylinux_2_28"]
    # The CPU build of torch lies on PyTorch's own index, which uv knows, or where pip looks.
    cpu = ["--find-links", find_links] if find_links else ["--torch-backend", "cpu"]

    def resolve(source: str, target: str, *options: str) -> None:
        session.run(*compile_, *options, source, "--output-file", target, external=True)

    resolve("runner/requirements.in", "runner/requirements.txt", "--universal")
    resolve("models/requirements-cpu.in", "models/requirements-cpu.txt", *linux, *cpu)
    host, s3, same = (
        f"--constraint={lock}.txt"
        for lock in ("runner/requirements", "runner/requirements-s3", "models/requirements-cpu")
    )
    resolve("runner/requirements-s3.in", "runner/requirements-s3.txt", "--universal", host)
    resolve("tests/s3/requirements.in", S3_LOCK, *linux, host, s3)
    resolve("tests/tools/requirements.in", TOOLS_LOCK, *linux, host)
    resolve("tests/publish/requirements.in", PUBLISH_LOCK, *linux, host)
    resolve("tests/requirements.in", "tests/requirements.txt", *linux, *cpu, host, same)
    resolve("tests/validators/requirements.in", VALIDATOR_LOCK, *linux)
    resolve("models/requirements-cuda.in", "models/requirements-cuda.txt", *linux)
