"""Wheels and the environment made of them: from small packages that the tests make themselves."""

import hashlib
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runner.core.errors import EngineError
from runner.core.installation import state_dir
from runner.engines.environments.locked_python import (
    COMPLETE,
    describe_python,
    differences,
    python_with,
)
from runner.engines.environments.wheels import PYTHON, index_of, lock_path, read_lock, wheelhouse_of


def open_shop(folder, monkeypatch):
    """Make a folder that pip downloads from, and no other source."""
    folder.mkdir()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    return folder


@pytest.fixture
def shop(tmp_path, monkeypatch):
    return open_shop(tmp_path / "shop", monkeypatch)


def make_wheel(folder: Path, name: str, version: str, source: str = "", tag="py3-none-any") -> Path:
    info = f"{name}-{version}.dist-info"
    wheel = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", source or f"VERSION = '{version}'\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        )
        archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")
    return wheel


def write_lock(path: Path, *wheels: Path, also: str = "") -> Path:
    lines = ["# made by a test"]
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name}=={version} \\\n    --hash=sha256:{digest}\n    # via nobody")
    path.write_text("\n".join([*lines, also]) + "\n")
    return path


def stock(shop):
    """Two locked packages, and one that is newer than its lock."""
    wheels = [make_wheel(shop, "alpha", "1.0"), make_wheel(shop, "beta", "2.0+cpu")]
    make_wheel(shop, "alpha", "1.1")
    return write_lock(shop.parent / "lock.txt", *wheels)


@pytest.fixture
def lock(shop):
    return stock(shop)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Interpreter of an environment with the two locked packages, for tests that only look."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("environment")
        lock = stock(open_shop(folder / "shop", monkeypatch))
        return python_with(lock, name="trial", cache=folder / "cache", say=print)


def test_the_real_locks_are_read_whole():
    for variant, torch in (("cpu", "2.13.0+cpu"), ("cuda", "2.13.0")):
        pins = {pin.name: pin for pin in read_lock(lock_path(variant))}
        assert pins["torch"].version == torch
        assert len(pins) == lock_path(variant).read_text().count("==")
        assert all(pin.sha256 for pin in pins.values())


@pytest.mark.parametrize("line", ["numpy", "numpy==2.4.6", "numpy>=2 --hash=sha256:" + "0" * 64])
def test_a_line_that_locks_nothing_is_refused(tmp_path, line):
    lock = tmp_path / "lock.txt"
    lock.write_text(line + "\n")
    with pytest.raises(EngineError, match=r"is not locked; run `nox -s lock`"):
        read_lock(lock)


def test_exactly_the_locked_wheels_are_downloaded_once(lock, shop, tmp_path):
    told = []
    folder = wheelhouse_of(lock, name="trial", cache=tmp_path / "cache", say=told.append)
    assert sorted(p.name for p in folder.iterdir()) == [
        *("alpha-1.0-py3-none-any.whl", "beta-2.0+cpu-py3-none-any.whl")
    ]
    assert told[0] == "Downloading the 2 wheels of lock.txt, once"
    assert [line.split()[0] for line in told[1:]] == ["1/2", "2/2"]
    for wheel in shop.iterdir():
        wheel.unlink()
    told.clear()
    assert wheelhouse_of(lock, name="trial", cache=tmp_path / "cache", say=told.append) == folder
    assert told == []


def test_another_lock_has_another_folder(lock, shop, tmp_path):
    other = write_lock(tmp_path / "other.txt", shop / "alpha-1.1-py3-none-any.whl")
    folders = [
        wheelhouse_of(path, name="trial", cache=tmp_path / "cache", say=print)
        for path in (lock, other)
    ]
    assert folders[0] != folders[1]


@pytest.mark.parametrize("damage", ["flip", "remove", "add"])
def test_a_damaged_folder_is_said_and_downloaded_again(lock, tmp_path, damage):
    folder = wheelhouse_of(lock, name="trial", cache=tmp_path / "cache", say=print)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    wheel = folder / "alpha-1.0-py3-none-any.whl"
    if damage == "flip":
        wheel.write_bytes(wheel.read_bytes()[:-1] + b"!")
    elif damage == "remove":
        wheel.unlink()
    else:
        (folder / "gamma-1.0-py3-none-any.whl").write_bytes(b"not locked")
    told = []
    wheelhouse_of(lock, name="trial", cache=tmp_path / "cache", say=told.append)
    expected = {
        "flip": "no wheel for alpha==1.0; not in the lock: alpha-1.0-py3-none-any.whl",
        "remove": "no wheel for alpha==1.0",
        "add": "not in the lock: gamma-1.0-py3-none-any.whl",
    }[damage]
    assert told[0] == f"{folder} is damaged ({expected}); downloading it again"
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def nothing_is_left(cache):
    return [p.name for p in (cache / "wheels").iterdir() if p.name != ".lock"] == []


def test_a_wheel_that_is_nowhere_is_an_error_with_the_remedy_and_leaves_nothing(
    lock, shop, tmp_path
):
    (shop / "alpha-1.0-py3-none-any.whl").unlink()
    with pytest.raises(EngineError) as missing:
        wheelhouse_of(lock, name="trial", cache=tmp_path / "cache", say=print)
    message = str(missing.value)
    assert message.startswith("pip cannot download the wheels of lock.txt:")
    assert "No matching distribution found for alpha==1.0" in message
    assert "PIP_FIND_LINKS" in message
    assert nothing_is_left(tmp_path / "cache")


def test_a_wheel_with_other_bytes_is_refused_and_leaves_nothing(lock, shop, tmp_path):
    make_wheel(shop, "alpha", "1.0", source="import os  # not what was locked\n")
    with pytest.raises(EngineError, match="HASHES"):
        wheelhouse_of(lock, name="trial", cache=tmp_path / "cache", say=print)
    assert nothing_is_left(tmp_path / "cache")


def test_wheels_are_those_of_the_image_s_python_whichever_one_downloads(shop, tmp_path):
    tags = (
        "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp39-abi3-manylinux_2_28_x86_64",
    )
    wheels = [make_wheel(shop, f"native{i}", "1.0", tag=tag) for i, tag in enumerate(tags)]
    for tag in ("cp312-cp312-manylinux_2_17_x86_64", "cp311-cp311-macosx_11_0_arm64"):
        make_wheel(shop, "native0", "1.0", tag=tag)
    lock = write_lock(tmp_path / "lock.txt", *wheels)
    folder = wheelhouse_of(lock, name="trial", cache=tmp_path / "cache", say=print)
    assert {p.name for p in folder.iterdir()} == {wheel.name for wheel in wheels}


def test_a_torch_that_no_configured_index_has_is_asked_of_pytorch_s_own(shop, tmp_path):
    wheel = make_wheel(tmp_path, "torch", "9.9.9+cpu")
    lock = write_lock(tmp_path / "lock.txt", wheel)
    told = []
    with pytest.raises(EngineError) as missing:
        wheelhouse_of(lock, name="trial", cache=tmp_path / "cache", say=told.append)
    assert "No configured index has torch==9.9.9+cpu; asking PyTorch's own" in told
    message = str(missing.value)
    assert message.startswith("no index has torch==9.9.9+cpu:")
    assert "PIP_FIND_LINKS" in message
    assert nothing_is_left(tmp_path / "cache")


@pytest.fixture
def index(shop, monkeypatch):
    """A package index of the simple kind on this machine, with what lies in the shop."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    for wheel in list(shop.glob("*.whl")):
        (shop / "simple" / wheel.name.split("-")[0]).mkdir(parents=True, exist_ok=True)
        page = shop / "simple" / wheel.name.split("-")[0] / "index.html"
        page.write_text(f'<a href="/{wheel.name.replace("+", "%2B")}">{wheel.name}</a>\n')
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=shop)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


def test_uv_names_the_index_that_has_a_requirement(shop, monkeypatch, tmp_path, request):
    make_wheel(shop, "alpha", "1.0+cpu")
    url = request.getfixturevalue("index")
    monkeypatch.delenv("UV_OFFLINE")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    assert index_of("alpha==1.0+cpu") == url


def test_an_environment_has_exactly_the_locked_packages_and_is_made_once(lock, tmp_path):
    told = []
    python = python_with(lock, name="trial", cache=tmp_path / "cache", say=told.append)
    assert told[-1] == "Installing the locked packages of lock.txt, once"
    assert differences(python, lock) == []
    found = describe_python(python)
    assert found["packages"] == {"alpha": "1.0", "beta": "2.0+cpu"}
    said = subprocess.run([python, "-c", "import beta; print(beta.VERSION)"], capture_output=True)
    assert said.stdout == b"2.0+cpu\n"
    told.clear()
    assert python_with(lock, name="trial", cache=tmp_path / "cache", say=told.append) == python
    assert told == []


def test_an_environment_that_was_changed_or_half_made_is_made_again(lock, tmp_path):
    make = partial(python_with, lock, name="trial", cache=tmp_path / "cache")
    folder = make(say=print).parents[1]
    info = next(folder.glob("lib/python*/site-packages/beta-*.dist-info/METADATA"))
    info.write_text(info.read_text().replace("2.0+cpu", "2.0"))
    told = []
    python = make(say=told.append)
    assert told[0] == (
        f"{folder} was changed (beta: locked 2.0+cpu, installed 2.0); making it again"
    )
    assert differences(python, lock) == []
    (folder / COMPLETE).unlink()
    next(folder.glob("lib/python*/site-packages/alpha.py")).unlink()
    python = make(say=told.append)
    assert subprocess.run([python, "-c", "import alpha"]).returncode == 0


def test_two_installations_have_one_fingerprint_until_a_file_changes(python, lock, tmp_path):
    def fingerprint(interpreter):
        return describe_python(interpreter, with_fingerprint=True)["packages_sha256"]

    other = python_with(lock, name="trial", cache=tmp_path / "cache", say=print)
    packages = next(other.parents[1].glob("lib/python*/site-packages"))
    seen = [fingerprint(python)]
    assert fingerprint(other) == seen[0]
    (packages / "alpha.py").write_text("VERSION = '1.0' \n")
    seen.append(fingerprint(other))
    (packages / "planted.pth").write_text("import os\n")
    seen.append(fingerprint(other))
    (packages / "alpha.py").unlink()
    seen.append(fingerprint(other))
    assert len(set(seen)) == 4


def test_differences_name_package_locked_and_installed_version(python, tmp_path):
    other = tmp_path / "other.txt"
    digest = f"--hash=sha256:{'0' * 64}"
    other.write_text(f"alpha==1.1 {digest}\nbeta==2.0 {digest}\nscikit-image==0.26.0 {digest}\n")
    assert differences(python, other) == [
        "alpha: locked 1.1, installed 1.0",
        "beta: locked 2.0, installed 2.0+cpu",
        "scikit-image: locked 0.26.0, not installed",
    ]


def test_another_python_is_a_difference(lock):
    installed = {"python": "3.12.4", "packages": {"alpha": "1.0", "beta": "2.0+cpu"}}
    assert differences(Path(sys.executable), lock, installed) == [
        f"Python: locked {PYTHON}, installed 3.12.4"
    ]


def test_the_caller_s_python_path_is_not_taken_for_what_is_installed(python, tmp_path, monkeypatch):
    planted = tmp_path / "planted"
    (planted / "gamma-1.0.dist-info").mkdir(parents=True)
    (planted / "gamma-1.0.dist-info" / "METADATA").write_text("Name: gamma\nVersion: 1.0\n")
    monkeypatch.setenv("PYTHONPATH", str(planted))
    assert set(describe_python(python)["packages"]) == {"alpha", "beta"}


def test_the_state_lies_in_the_checkout_unless_named(monkeypatch, tmp_path):
    monkeypatch.delenv("PHASEHUB_STATE", raising=False)
    (tmp_path / "pyproject.toml").touch()
    assert state_dir(tmp_path) == tmp_path / ".phasehub"
    monkeypatch.setenv("PHASEHUB_STATE", str(tmp_path / "elsewhere"))
    assert state_dir(tmp_path) == tmp_path / "elsewhere"


def test_the_state_of_an_installed_package_lies_in_the_user_s_folder_of_caches(
    monkeypatch, tmp_path
):
    monkeypatch.delenv("PHASEHUB_STATE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert state_dir(tmp_path / "installed") == tmp_path / "caches" / "phasehub"
    monkeypatch.setenv("PHASEHUB_STATE", str(tmp_path / "elsewhere"))
    assert state_dir(tmp_path / "installed") == tmp_path / "elsewhere"
