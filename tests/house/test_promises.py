"""Promises about the house itself: a light start, locks that agree, one test command."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported_by(*arguments: str) -> set[str]:
    """Top-level modules that `python -m runner ARGUMENTS` imports."""
    code = (
        "import sys\n"
        f"sys.argv = ['phasehub', *{list(arguments)!r}]\n"
        "from runner.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


def test_help_imports_nothing_heavy():
    heavy = {"torch", "lightning", "numpy", "docker", "requests", "pydantic", "jinja2", "rich"}
    heavy |= {"fsspec", "s3fs", "aiohttp", "botocore", "pynvml"}
    heavy |= {"mlflow", "tensorboard", "wandb", "pandas", "xarray", "sqlalchemy"}
    assert imported_by("--help") & heavy == set()


def test_check_imports_neither_torch_nor_docker_nor_numpy():
    names = imported_by("check", "manifests/phase8.toml")
    assert "pydantic" in names, "the check did not run"
    assert names & {"torch", "lightning", "numpy", "docker", "requests", "pynvml"} == set()


VERBS = [
    "check",
    "plan",
    "run",
    "lock",
    "diagnose",
    "reproduce",
    "compare",
    "diff",
    "verify",
    "archive",
    "restore",
    "export",
    "report",
    "open",
    "resume",
    "attach",
    "stop",
    "seal",
    "status",
    "clean",
    "list",
    "show",
    "docs",
    "base-image",
]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb):
    done = subprocess.run(
        [sys.executable, "-m", "runner", verb, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "Usage:" in done.stdout


def test_exit_codes_are_unique():
    from runner.core import errors

    classes = [errors.RunnerError, *errors.RunnerError.__subclasses__()]
    codes = [c.exit_code for c in classes]
    codes += [errors.ARM_FAILED, errors.TIMED_OUT, errors.INTERRUPTED]
    assert len(codes) == len(set(codes))
    assert 0 not in codes


def locked(path: str) -> dict[str, str]:
    """Package → version of a hash-locked file."""
    text = (ROOT / path).read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", text, re.MULTILINE))


def test_the_locks_agree_wherever_they_name_the_same_package():
    cpu, cuda = locked("models/requirements-cpu.txt"), locked("models/requirements-cuda.txt")
    host, tests = locked("runner/requirements.txt"), locked("tests/requirements.txt")
    s3, s3_tests = locked("runner/requirements-s3.txt"), locked("tests/s3/requirements.txt")
    assert cpu.pop("torch") == cuda["torch"] + "+cpu"
    assert tests.pop("torch") == cuda.pop("torch") + "+cpu"
    for one, other in (
        *((cpu, cuda), (cpu, tests), (host, tests), (cpu, host)),
        *((s3, host), (s3, s3_tests), (host, s3_tests)),
    ):
        shared = one.keys() & other.keys()
        assert {name: one[name] for name in shared} == {name: other[name] for name in shared}
    assert cpu.keys() <= tests.keys()


def test_every_locked_package_has_a_hash():
    for path in (
        "models/requirements-cpu.txt",
        "models/requirements-cuda.txt",
        "runner/requirements.txt",
        "runner/requirements-s3.txt",
        "tests/requirements.txt",
        "tests/s3/requirements.txt",
        "tests/tools/requirements.txt",
        "tests/validators/requirements.txt",
    ):
        for block in re.split(r"^(?=[a-z0-9])", (ROOT / path).read_text(), flags=re.MULTILINE):
            if "==" in block:
                assert "--hash=sha256:" in block, f"{path}: {block.splitlines()[0]}"


def test_ci_runs_exactly_the_test_command_of_the_readme():
    command = (ROOT / ".ci" / "run").read_text().rstrip().splitlines()[-1]
    assert "nox -s tests" in command
    assert command in (ROOT / "README.md").read_text()


NUMPY = ("allow_pickle", False)
SAFELY = {"torch": ("weights_only", True), "np": NUMPY, "numpy": NUMPY}


def test_nothing_of_others_is_unpickled():
    """Weights and arrays come out of hubs: reading them must execute nothing."""
    seen = set()
    for path in (
        one for name in ("models", "runner", "phasehub") for one in (ROOT / name).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            module = node.func.value.id if isinstance(node.func.value, ast.Name) else None
            assert module not in ("pickle", "marshal", "shelve") or "load" not in node.func.attr
            if node.func.attr != "load" or module not in SAFELY:
                continue
            name, value = SAFELY[module]
            given = {word.arg: ast.literal_eval(word.value) for word in node.keywords
                     if word.arg == name}  # fmt: skip
            assert given == {name: value}, f"{path}:{node.lineno}: give {name}={value}"
            seen.add(module)
    assert seen == {*SAFELY}, "the test looks past what it is about"


def test_every_promise_of_the_security_page_names_a_test_that_exists():
    page = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 30
    for file, test in named:
        source = (ROOT / file).read_text()
        assert not test or f"def {test}(" in source, f"{file} has no {test}"
