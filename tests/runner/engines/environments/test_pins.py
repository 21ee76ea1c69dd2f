"""Locks are parsed in full or refused, and pip sees exactly what was parsed."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.engines.environments import pip_settings
from runner.engines.environments.pins import MOST_BYTES, Pin, parse_pins, read_pins, written

ROOT = Path(__file__).parents[4]
LOCKS = [
    *("models/requirements-cpu.txt", "models/requirements-cuda.txt", "runner/requirements.txt"),
    *("runner/requirements-s3.txt", "tests/requirements.txt", "tests/s3/requirements.txt"),
    "tests/validators/requirements.txt",
]
AS_PIP_READS = """
import json, sys
from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import parse_requirements
def read(path):
    for line in parse_requirements(path, session=session):
        made = install_req_from_parsed_requirement(line)
        hashes = sorted(made.hash_options.get("sha256", []))
        yield str(made.req.name), str(made.req.specifier), hashes, str(made.markers or "")
session = PipSession()
print(json.dumps([list(read(path)) for path in sys.argv[1:]]))
"""
PIN = Pin(name="alpha", version="1.0", sha256=frozenset({"a" * 64}))
LINE = f"alpha==1.0 --hash=sha256:{'a' * 64}"


def as_pip_reads(*paths):
    done = subprocess.run(
        [sys.executable, "-c", AS_PIP_READS, *paths], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_of_our_own_locks_exactly_the_pins_are_read_that_pip_reads(tmp_path):
    pins = [read_pins(ROOT / name) for name in LOCKS]
    for number, each in enumerate(pins):
        (tmp_path / f"{number}.txt").write_text(written(each))
    told = [
        [
            [pin.name, f"=={pin.version}", sorted(pin.sha256), pin.marker.replace("'", '"')]
            for pin in each
        ]
        for each in pins
    ]
    assert all(told)
    mine = [ROOT / name for name in LOCKS]
    rewritten = [tmp_path / f"{number}.txt" for number in range(len(LOCKS))]
    assert as_pip_reads(*mine, *rewritten) == told + told


HOSTILE = {
    "form feed": f"{LINE}\n# a comment\f--no-binary=:all:\n",
    "vertical tab": f"{LINE}\n# a comment\v--find-links=/tmp\n",
    "carriage return": f"{LINE}\n# a comment\r--find-links=/tmp\n",
    "file separator": f"{LINE}\n# a comment\x1c--find-links=/tmp\n",
    "next line": f"{LINE}\n# a comment\x85--find-links=/tmp\n",
    "line separator": f"{LINE}\n# a comment\u2028--find-links=/tmp\n",
    "tab": f"{LINE}\t--no-binary\n",
    "null": f"{LINE}\0\n",
    "option": f"{LINE}\n--no-binary=:all:\n",
    "option at the end": f"{LINE} --config-settings=a=b\n",
    "option in between": f"alpha==1.0 --global-option=x --hash=sha256:{'a' * 64}\n",
    "option on a continued line": f"{LINE} \\\n --no-binary=:all: \\\n --pre\n",
    "other file": f"{LINE}\n-r /etc/passwd\n",
    "editable": "-e .\n",
    "address": f"alpha @ http://127.0.0.1/alpha.whl --hash=sha256:{'a' * 64}\n",
    "address as version": f"alpha==http://127.0.0.1/a.whl --hash=sha256:{'a' * 64}\n",
    "path": f"./alpha-1.0.tar.gz --hash=sha256:{'a' * 64}\n",
    "extra": f"alpha[all]==1.0 --hash=sha256:{'a' * 64}\n",
    "range": f"alpha>=1.0 --hash=sha256:{'a' * 64}\n",
    "no version of PEP 440": f"alpha==1_0 --hash=sha256:{'a' * 64}\n",
    "any version": f"alpha==1.* --hash=sha256:{'a' * 64}\n",
    "variable": f"alpha==${{HOME}} --hash=sha256:{'a' * 64}\n",
    "no digest": "alpha==1.0\n",
    "md5": f"alpha==1.0 --hash=md5:{'a' * 32}\n",
    "long digest": f"alpha==1.0 --hash=sha256:{'a' * 65}\n",
    "twice": f"{LINE}\n{LINE.replace('alpha', 'Alpha')}\n",
    "comment that goes on": f"{LINE}\n# a comment \\\n",
    "ends in nothing": "alpha==1.0 \\\n",
    "joined without a blank": f"alpha==1.0\\\n--hash=sha256:{'a' * 64}\n",
    "ends in a comment": f"alpha==1.0 \\\n# why\n --hash=sha256:{'a' * 64}\n",
    "comment behind": f"{LINE} # why\n",
    "marker with more": f"alpha==1.0 ; os_name == 'a' --x 'b' --hash=sha256:{'a' * 64}\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_whatever_a_lock_of_ours_does_not_hold_is_refused_by_its_line(kind, tmp_path):
    lock = tmp_path / "requirements-cpu.txt"
    lock.write_bytes(HOSTILE[kind].encode())
    with pytest.raises(ValueError, match=r"requirements-cpu\.txt: line [123]\b"):
        read_pins(lock)


SIGN = st.characters(blacklist_categories=("Cs",)).filter(
    lambda sign: sign != "\n" and not " " <= sign <= "~"
)


@given(sign=SIGN, at=st.integers(0, 400))
def test_no_control_character_and_none_beyond_ascii_stands_anywhere(sign, at):
    text = f"# made by uv\n{LINE}\n    # via beta\n{LINE.replace('alpha', 'beta')}\n"
    at %= len(text) + 1
    with pytest.raises(ValueError, match="printable ASCII"):
        parse_pins((text[:at] + sign + text[at:]).encode())


@given(
    option=st.from_regex(r"\A-{1,2}[a-zA-Z][a-z-]{0,12}([= ][a-z:/.]{0,20})?\Z").filter(
        lambda option: not re.fullmatch(r"--hash[= ]sha256:.*", option)
    ),
    place=st.sampled_from(["{o}\n{l}\n", "{l}\n{o}\n", "{l} {o}\n", "{l} \\\n  {o}\n"]),
)
def test_no_option_beside_digests_is_taken(option, place):
    with pytest.raises(ValueError, match=r"is not locked$"):
        parse_pins(place.format(o=option, l=LINE).encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_pins_or_refused(content):
    try:
        pins = parse_pins(content)
    except ValueError:
        return
    assert parse_pins(written(pins).encode()) == pins


NAME = st.from_regex(r"\A[a-z0-9]([a-z0-9._-]{0,8}[a-z0-9])?\Z")
VERSION = st.from_regex(r"\A[0-9]{1,2}(\.[0-9]{1,2}){0,3}(rc1|\.post2)?(\+cpu)?\Z")
DIGESTS = st.frozensets(st.text("0123456789abcdef", min_size=64, max_size=64), min_size=1)
PINS = st.lists(
    st.builds(
        Pin,
        name=NAME,
        version=VERSION,
        sha256=DIGESTS,
        marker=st.sampled_from(["", "sys_platform == 'win32'", "python_full_version < '3.13'"]),
    ),
    unique_by=lambda pin: re.sub("[-_.]+", "-", pin.name),
)


@given(PINS)
def test_what_is_written_is_read_again(pins):
    assert parse_pins(written(pins).encode()) == pins


def test_a_lock_is_bounded_and_a_file(tmp_path):
    (tmp_path / "large").write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(ValueError, match="larger than"):
        read_pins(tmp_path / "large")
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="symbolic link"):
        read_pins(tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a regular file"):
        read_pins(tmp_path / "pipe")
    with pytest.raises(ValueError, match="No such file"):
        read_pins(tmp_path / "none")


# --- pip's settings ------------------------------------------------------------------------------


@pytest.fixture
def settings_of_a_user(tmp_path, monkeypatch):
    """Settings in a file and in variables, some of which would build from source."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://user:secret@index.invalid/simple\nno-binary = :all:\n"
        "extra-index-url = https://one.invalid/simple\n    https://two.invalid/simple\n"
        "[download]\nretries = 1\n[install]\nuser = true\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "7")
    monkeypatch.setenv("PIP_CERT", "")


def test_only_where_packages_are_found_is_taken_over(settings_of_a_user, tmp_path):
    found = pip_settings.configured()
    assert found.pop("extra-index-url").split() == [
        *("https://one.invalid/simple", "https://two.invalid/simple")
    ]
    machine = found.keys() - {"index-url", "find-links", "retries", "default-timeout"}
    assert machine <= {"cert", "proxy", "trusted-host"}, "of /etc/pip.conf alone"
    assert found["index-url"] == "https://user:secret@index.invalid/simple"
    assert (found["find-links"], found["retries"], found["default-timeout"]) == (
        *(str(tmp_path), "1", "7"),
    )


def test_an_isolated_pip_finds_packages_as_the_user_s_does_and_builds_nothing(settings_of_a_user):
    with pip_settings.isolated({"extra-index-url": "https://three.invalid"}) as environment:
        file = Path(environment["PIP_CONFIG_FILE"])
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [name for name in environment if name.startswith("PIP_")] == ["PIP_CONFIG_FILE"]
        command = [*pip_settings.pip("config", "list")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    told = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert told["global.index-url"] == "'https://user:secret@index.invalid/simple'"
    assert told["download.extra-index-url"].endswith("https://three.invalid'")
    assert "global.no-binary" not in told
    assert not any("no-binary" in key or ":env:" in key for key in told)
    assert not file.exists()
    assert not any("secret" in word for word in command)


def test_pip_takes_no_module_from_the_folder_that_it_is_started_in(tmp_path, monkeypatch):
    (tmp_path / "pip.py").write_text("open('canary', 'w')\n")
    monkeypatch.chdir(tmp_path)
    done = subprocess.run(pip_settings.pip("--version"), capture_output=True, text=True)
    assert done.stdout.startswith("pip ")
    assert not (tmp_path / "canary").exists()
