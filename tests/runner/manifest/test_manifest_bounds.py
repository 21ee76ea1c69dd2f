"""How much a manifest may hold: what is larger is refused at once, and no answer fills a screen.

The bounds of time are generous; before there were bounds on size, these cases took from a minute
to hours.
"""

import os
import time

import pytest

from runner.core.errors import ManifestError
from runner.manifest.manifest_errors import MOST_SHOWN
from runner.manifest.matrix import MOST_ARMS
from runner.manifest.model import load
from runner.manifest.source import read
from runner.manifest.toml.limits import DEEPEST, MOST_BYTES, MOST_ITEMS, excess
from runner.plan.make import make_plan

HEAD = """\
schema_version = 1
[phase]
name = "large"
title = "A phase"
question = "Why?"
seed = 7
"""
ARM = '[[arms]]\nname = "one"\n'
GENEROUS_S = 20


@pytest.fixture
def told(tmp_path):
    """The message about a manifest, or an empty one."""

    def load_with(text):
        path = tmp_path / "large.toml"
        path.write_text(HEAD + text)
        started = time.monotonic()
        try:
            load(path)
        except ManifestError as error:
            return str(error).replace(f"{tmp_path}/", "")
        finally:
            assert time.monotonic() - started < GENEROUS_S
        return ""

    return load_with


def rates(number):
    return f"train.learning_rate = [{', '.join(f'{i + 1}e-9' for i in range(number))}]\n"


def first(message):
    return message.split("\n")[0].partition(": ")[2]


TOO_LARGE = {
    "bytes": (
        ARM + "#" * MOST_BYTES,
        "large.toml is larger than 1,048,576 bytes; give the path of a TOML file",
    ),
    "unknown keys": (
        "".join(f"k{i} = 1\n" for i in range(60_000)),
        "has 60,006 keys, parts of keys, tables and items of arrays; at most 30,000 "
        "are read: split the file",
    ),
    "items": (
        f"x = [{'1,' * MOST_ITEMS}]",
        "has 30,008 keys, parts of keys, tables and items of arrays; at most 30,000 "
        "are read: split the file",
    ),
    "depth": (f"x = {'[' * 33}{']' * 33}", "nested more than 32 levels deep; write flatter tables"),
    "depth of keys": (f"{'a.' * 32}b = 1", "nested more than 32 levels deep; write flatter tables"),
    "arms": (
        "[[arms]]\n" * (MOST_ARMS + 1),
        "arms: has 10,001 entries; at most 10,000 are allowed: split the phase",
    ),
    "exclusions": (
        "[matrix]\n" + rates(2000) + f"exclude = [{'{ seed = 1 }, ' * 3001}]",
        "matrix.exclude: has 3,001 entries; at most 512 are allowed: split the phase",
    ),
    "axes": (
        "[matrix]\n" + "".join(f"train.x{i} = [1, 2]\n" for i in range(5000)),
        "matrix: has 5,000 axes; at most 32 are allowed: take some away",
    ),
    "profiles": (
        ARM + "".join(f"[profiles.p{i}]\nx{i} = 1\n" for i in range(5000)),
        "profiles: has 5,000 entries; at most 16 are allowed: split the phase",
    ),
    "arms of all profiles": (
        "[matrix]\n" + rates(7000) + "[profiles.a]\n[profiles.b]\n",
        "profiles: make 21,000 arms in all, with the phase's own; at most 20,000 are "
        "allowed: take profiles or arms away",
    ),
    "parameters": (
        ARM + "[train]\n" + "".join(f"x{i} = 1\n" for i in range(257)),
        "train: has 257 entries; at most 256 are allowed: split the phase",
    ),
    "parameters of an arm": (
        ARM + f"diagnostics.grad_hist_epochs = [{'1, ' * 300}]\n",
        "arms[0].diagnostics: has 301 entries; at most 256 are allowed: split the phase",
    ),
    "words of a command": (
        ARM + "command = [" + '"x", ' * 300 + "]\n",
        "arms[0].command: has 300 entries; at most 256 are allowed: split the phase",
    ),
    "blocks": (
        ARM + "model.fno_blocks = 9_000_000_000_000_000_000\n",
        "arms[0].model.fno_blocks: got 9000000000000000000; expected a number of at most 256",
    ),
}


@pytest.mark.parametrize(("text", "expected"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_it_is_refused_at_once_for_too_many(told, text, expected):
    assert first(told(text)) == expected


EXCLUDED = [f"{{ arm = 'b{i}' }}" for i in range(512)]
SLOW = {
    "combinations with wrong values": "[matrix]\n"
    + rates(64).replace("[", "[-", 1).replace(", ", ", -")
    + f"train.epochs = [{', '.join(str(-i) for i in range(64))}]",
    "combinations with unknown keys": "[train]\n"
    + "".join(f"x{i} = 1\n" for i in range(250))
    + "[matrix]\n"
    + rates(4000),
    "unknown keys": "".join(f"k{i} = 1\n" for i in range(29_000)),
    "unknown tables": "".join(f"[k{i}]\n" for i in range(29_000)),
    "dates": "".join(f"k{i} = 2026-01-01\n" for i in range(29_000)),
    "quoted keys": "".join(f'"k\\u0041{i}" = 1\n' for i in range(14_000)),
    "arms of one name": '[[arms]]\nname = "a"\n' * MOST_ARMS,
    "arms with an unknown key each": "".join(
        f'[[arms]]\nname = "a{i}"\ntrain.x{i} = 1\n' for i in range(4000)
    ),
    "labels": f"[matrix]\nseed = {{ values = [{', '.join(map(str, range(4000)))}], "
    f"labels = [{', '.join(repr('l' * 90 + str(i)) for i in range(4000))}] }}",
    "exclusions for unknown arms": "".join(f'[[arms]]\nname = "a{i}"\n' for i in range(2000))
    + f"[matrix]\nseed = [1, 2]\nexclude = [{', '.join(EXCLUDED)}]",
    "blanks": "[train]\nepochs" + " " * 1_000_000 + "= 1",
    "comments": "#\n" * 500_000 + "x",
    "empty lines": "\n" * 1_000_000 + "[phase]",
    "quotes": '"' * 1_000_000,
    "open quotes": '"\n' * 500_000,
    "backslashes": 'x = "' + "\\" * 1_000_000,
    "digits": "x = 1." + "1" * 1_000_000,
    "a long key": "k" * 1_000_000 + " = 1",
    "a long value": "stage = '" + "k" * 1_000_000 + "'",
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_no_answer_takes_long_or_fills_more_than_a_screen(told, text):
    message = told(text)
    assert message
    assert message.count("\n") <= 2 * MOST_SHOWN
    assert len(message) < 30_000


def test_more_mistakes_than_a_screenful_are_counted(told):
    lines = told(ARM + "".join(f"x{i} = 1\n" for i in range(50))).split("\n")
    assert lines[-1] == "large.toml: and 30 more; correct these first"
    assert len(lines) == 2 * MOST_SHOWN + 1
    assert told("".join(f"x{i} = 1\n" for i in range(500))).endswith(
        "large.toml: and at least 180 more; correct these first"
    )


def test_a_matrix_of_all_the_arms_there_may_be_is_planned(tmp_path):
    path = tmp_path / "large.toml"
    excluded = ", ".join(f"{{ train.learning_rate = {i + 1}e-9 }}" for i in range(512))
    path.write_text(HEAD + "[matrix]\n" + rates(MOST_ARMS) + f"exclude = [{excluded}]\n")
    assert len(make_plan(load(path)).arms) == MOST_ARMS - 512


@pytest.mark.parametrize(
    "text",
    [
        f"x = {'[' * DEEPEST}{']' * DEEPEST}",
        f"x = '{'[' * 99}'",
        f'x = """\n{"[" * 99}""" # {"." * 99}',
        f'x = "\\"{"." * 99}"',
        f"x = '''{'.' * 99}'''''",
        "x = [" + "0.1, " * 1000 + "]",
    ],
)
def test_what_stands_in_texts_and_comments_is_not_counted(text):
    assert excess(text) is None


@pytest.mark.parametrize("kind", ["fifo", "device", "folder of the name", "socket"])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path, kind):
    path = tmp_path / "large.toml"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        os.mknod(path, 0o140644)
    else:
        path.mkdir()
    with pytest.raises(ManifestError) as error:
        load(path)
    told = "a folder; give the path of a file" if path.is_dir() else "is not a regular file"
    assert told in str(error.value)


def test_no_file_is_read_for_a_manifest_that_is_too_large(told, tmp_path):
    (tmp_path / "probe.npz").write_bytes(os.urandom(2**24))
    profiles = "".join(f"[profiles.p{i}.dataset]\nprobe_file = 'probe.npz'\n" for i in range(5000))
    assert told(ARM + profiles).startswith("large.toml:9: profiles: has 5,000 entries")


def test_a_link_that_the_user_names_is_followed(tmp_path):
    (tmp_path / "store").write_text(HEAD + ARM)
    (tmp_path / "large.toml").symlink_to("store")
    assert load(tmp_path / "large.toml").manifest.phase.name == "large"


def test_a_link_in_a_folder_of_others_is_not(tmp_path):
    (tmp_path / "secret").write_text("password = 1")
    (tmp_path / "manifest.toml").symlink_to("secret")
    with pytest.raises(ManifestError) as error:
        read(tmp_path / "manifest.toml")
    assert str(error.value).endswith(
        "manifest.toml is a symbolic link, and must be a file; give the path of a TOML file"
    )


def test_a_loop_of_links_is_refused(tmp_path):
    (tmp_path / "large.toml").symlink_to("large.toml")
    with pytest.raises(ManifestError, match=r"large\.toml"):
        load(tmp_path / "large.toml")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'license = "a\\u0000b"',
            "phase.license: got 'a\\x00b'; U+0000 in it cannot be seen; take it out",
        ),
        (
            'license = "a\\u202eb"',
            "phase.license: got 'a\\u202eb'; U+202E in it cannot be seen; take it out",
        ),
        (
            'license = "\\u001b[2J"',
            "phase.license: got '\\x1b[2J'; U+001B in it cannot be seen; take it out",
        ),
        (
            f'license = "{"x" * 10_001}"',
            f"phase.license: got '{'x' * 58}…; expected at most 10000 characters",
        ),
        (
            '[image]\nbase = "debian\\nRUN id"',
            "image.base: got 'debian\\nRUN id'; expected the name of an image, like "
            "'python:3.11-slim-bookworm'",
        ),
        (
            '[[arms]]\nname = "one"\ncommand = ["a\\u0000"]',
            "arms[0].command[0]: got 'a\\x00'; no program can be given U+0000; take it out",
        ),
    ],
)
def test_signs_that_cannot_be_seen_are_refused(told, line, expected):
    arm = "" if "[[arms]]" in line else f"\n{ARM}"
    assert expected in told(line + arm)


def test_a_question_may_have_lines_and_letters_of_any_language(told):
    assert told('license = """\nשלום, é\n\tU+1F600: 😀 \u200d"""\n' + ARM) == ""
