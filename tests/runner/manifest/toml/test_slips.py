"""Slips in TOML's syntax: what a user is told to write instead, word by word and at its place."""

import pytest

from runner.core.errors import ManifestError
from runner.manifest.model import load

HEAD = """\
schema_version = 1
[phase]
name = "slips"
title = "A phase"
question = "Why?"
seed = 7
"""


@pytest.fixture
def told(tmp_path):
    """What is said of ``HEAD`` with more text behind it: place, problem, and the line shown."""

    def load_with(text, head=HEAD):
        path = tmp_path / "slips.toml"
        path.write_bytes((head + text).encode())
        with pytest.raises(ManifestError) as error:
            load(path)
        return str(error.value).replace(f"{tmp_path}/", "")

    return load_with


SLIPS = {
    "no value": (
        "[train]\nepochs =",
        "8:9",
        "epochs has no value; write one behind the '=', or remove it",
    ),
    "no '='": ("[train]\nepochs 20", "8:8", "a key gets its value by '='; write epochs = 20"),
    "a key alone": (
        "[train]\nepochs",
        "8:7",
        "epochs has no value; write epochs = and the value, or remove it",
    ),
    "'=='": ("[train]\nepochs == 20", "8:9", "one '=' gives a value; write epochs = 20"),
    "a colon": ("[train]\nepochs: 20", "8:7", "a key gets its value by '='; write epochs = 20"),
    "a colon inside": (
        'train.clip = { kind: "none" }',
        "7:20",
        "a key gets its value by '='; write kind = \"none\"",
    ),
    "a blank in a key": (
        "[train]\nlearning rate = 1",
        "8:10",
        "a key has no blanks; perhaps learning_rate",
    ),
    "an unquoted text": (
        "train.clip = { kind = sgd }",
        "7:23",
        'a text stands in quotes; write "sgd"',
    ),
    "an unquoted sentence": (
        "license = all is free # yes",
        "7:11",
        'a text stands in quotes; write "all is free"',
    ),
    "an unquoted path": (
        "dataset.probe_file = ../probe.npz",
        "7:22",
        'a text stands in quotes; write "../probe.npz"',
    ),
    "True": ("[train]\nx = True", "8:5", "True means nothing here; write true"),
    "no": ("x = no", "7:5", "no means nothing here; write false"),
    "None": (
        "[[arms]]\nseed = None",
        "8:8",
        'TOML has no None; leave the key out, or write "None" if it is a name',
    ),
    "null": (
        "x = null",
        "7:5",
        'TOML has no null; leave the key out, or write "null" if it is a name',
    ),
    "NaN": ("x = NaN", "7:5", "numbers of a manifest are finite; write one that is"),
    "a missing closing quote": ('license = "free', "7:16", 'the quote is not closed; write "free"'),
    "a missing closing ' ": ("license = 'free", "7:16", "the quote is not closed; write 'free'"),
    "a missing opening quote": (
        'license = free"',
        "7:11",
        'the first quote is missing; write "free"',
    ),
    "a missing quote in an array": (
        'x = ["a, "b"]',
        "7:11",
        "a quote is missing before the comma or before b; put each text in its own quotes",
    ),
    "three quotes that do not end": (
        'license = """free\nx = 1',
        "7:18",
        'the text that begins here is not closed; end it with """',
    ),
    "typographic quotes": (
        "license = “free”",
        "7:11",
        'this quote is a typographic one; write the straight " on both sides',
    ),
    "one typographic quote": ('license = "free”', "7:17", 'the quote is not closed; write "free"'),
    "a quote inside quotes": (
        "license = 'it's'",
        "7:15",
        "the ' before this place ends the text; write the other kind of quotes around it",
    ),
    "backslashes": (
        r'dataset.probe_file = "C:\data\p.npz"',
        "7:27",
        r"""in "…" a backslash begins a sign; write 'C:\data\p.npz', in single quotes""",
    ),
    "backslash u": (
        r'dataset.probe_file = "C:\users\p.npz"',
        "7:27",
        r"""in "…" a backslash begins a sign; write 'C:\users\p.npz', in single quotes""",
    ),
    "a decimal comma": ("[train]\nx = 0,85", "8:6", "0,85 has a comma; write 0.85"),
    "a decimal comma and a power": (
        "[train]\nx = 1,5e-3",
        "8:6",
        "1,5e-3 has a comma; write 1.5e-3",
    ),
    "no digit before the point": ("x = .5", "7:5", "write 0.5, with a digit before the point"),
    "no digit before the point, negative": (
        "x = -.5",
        "7:5",
        "write -0.5, with a digit before the point",
    ),
    "no digit behind the point": ("x = 5.", "7:6", "write 5.0, with a digit behind the point"),
    "a leading zero": ("x = 01", "7:6", "a number does not begin with 0; write 1"),
    "a leading zero of a fraction": (
        "x = 007.5",
        "7:6",
        "a number does not begin with 0; write 7.5",
    ),
    "a large X": ("x = 0XFF", "7:6", "write 0xFF, with a small x"),
    "percent": ("x = 85 %", "7:8", "a share is written as a number; write 0.85"),
    "a unit of memory": (
        "resources.memory_gib = 4GiB",
        "7:25",
        "4GiB has a unit, and numbers stand without; write memory_gib = 4",
    ),
    "another unit of memory": (
        "resources.memory_gib = 512 MiB",
        "7:28",
        "512MiB has a unit, and numbers stand without; write memory_gib = 0.5",
    ),
    "a unit of time": (
        "[resources]\ntimeout_s = 30min",
        "8:15",
        "30min has a unit, and numbers stand without; write timeout_s = 1800",
    ),
    "a unit of nothing": (
        "x = 3px",
        "7:6",
        "3px has a unit, and numbers stand without; write the number alone",
    ),
    "a sum": ("x = 2**10", "7:6", "TOML does not calculate; write the result"),
    "a blank in a number": ("x = - 5", "7:5", "write -5, without a blank"),
    "parentheses": ("x = (0.9, 0.99)", "7:5", "arrays stand in square brackets; write [0.9, 0.99]"),
    "a comma at the end of a line": ("x = 5,", "7:6", "a line does not end with ','; take it away"),
    "a semicolon at the end of a line": (
        "x = 5;",
        "7:6",
        "a line does not end with ';'; take it away",
    ),
    "two keys on a line": ("x = 5 y = 6", "7:7", "one key a line; write this one on the next line"),
    "a comment of another language": ("x = 5 // px", "7:7", "a comment begins with '#'"),
    "a missing comma": ("x = [1 2]", "7:8", "a comma is missing before 2"),
    "semicolons in an array": (
        "x = [1; 2]",
        "7:7",
        "items stand with commas between them; write , for ;",
    ),
    "an array that does not end": (
        "x = [1, 2\ny = 3",
        "8:1",
        "the array above is not closed; end it with ]",
    ),
    "a table that does not end": ("x = { a = 1", "7:12", "the table is not closed; end it with }"),
    "a header that does not end": (
        "[train\nx = 1",
        "7:7",
        "the bracket is not closed; write [train]",
    ),
    "a header with one bracket less": (
        "[[arms]\nname = 'a'",
        "7:7",
        "an array of tables has two brackets on each side; write [[arms]]",
    ),
    "a header with one bracket more": (
        "[arms]]\nname = 'a'",
        "7:7",
        "an array of tables has two brackets on each side; write [[arms]]",
    ),
    "a header and a key": (
        "[train] epochs = 5",
        "7:9",
        "[train] stands on a line of its own; write what follows on the next one",
    ),
    "an empty part": (
        "train..epochs = 5",
        "7:7",
        "a part of this key is empty; write letters, digits, _ or - on each side of a dot",
    ),
    "a letter in a key": ("größe = 1", "7:3", "ö cannot stand in a key without quotes"),
    "a blank that is none": (
        "x =\u00a01",
        "7:4",
        "U+00A0 cannot stand here; take it out or write a blank",
    ),
    "a control character": (
        'x = "\x1b[1m"',
        "7:6",
        "U+001B cannot stand here; take it out or write a blank",
    ),
    "line ends of old": (
        "x = 1\ry = 2",
        "7:6",
        "a carriage return alone ends no line; save the file with the line ends of Unix",
    ),
    "a key twice": (
        "[train]\nepochs = 1\nx = 2\nepochs = 3",
        "10:11",
        "epochs stands on line 8 already; remove one of the two",
    ),
    "a key twice inside": (
        "x = { a = 1, a = 2 }",
        "7:19",
        "a has a value already in this table; remove one of the two",
    ),
    "a table twice": (
        "[train]\nx = 1\n[model]\n[train]",
        "10:7",
        "[train] stands on line 7 already; write all its keys there",
    ),
    "[arms] behind [[arms]]": (
        "[[arms]]\nname = 'a'\n[arms]",
        "9:6",
        "[[arms]] of line 7 is an array of tables; write [[arms]] here, too",
    ),
    "[[arms]] behind [arms]": (
        "[arms]\nname = 'a'\n[[arms]]",
        "9:7",
        "[arms] of line 7 is one table; write [[arms]] there, too",
    ),
    "a table of an arm": (
        "[train]\noptimizer = { kind = 'sgd' }\n[[arms]]\nname = 'a'\n[train.optimizer]",
        "11:17",
        "[train.optimizer] is the phase's, wherever it stands, and the phase has it already; for "
        "the arm above write [arms.train.optimizer]",
    ),
    "JSON": ("", "1:1", "a manifest is TOML and no JSON; see manifests/README.md for the format"),
}


@pytest.mark.parametrize(("text", "place", "problem"), SLIPS.values(), ids=SLIPS)
def test_it_is_told_what_to_write_instead_of(told, text, place, problem):
    message = told(text) if text else told('{"phase": 1}', head="")
    assert message.split("\n")[0] == f"slips.toml:{place}: not TOML: {problem}"


def test_the_line_is_shown_below(told):
    assert told("resources.memory_gib = 4GiB\n") == (
        "slips.toml:7:25: not TOML: 4GiB has a unit, and numbers stand without; write "
        "memory_gib = 4\n    7 | resources.memory_gib = 4GiB"
    )


def test_what_is_known_of_no_slip_is_told_in_the_parser_s_words(told):
    assert told("@ = 1").startswith("slips.toml:7:1: not TOML: Invalid statement\n")


def test_of_a_long_line_the_failing_part_is_shown(told):
    frame = told(f"x = [{'1, ' * 300}2 3, {'4, ' * 300}]").split("\n")[1]
    assert "2 3," in frame
    assert len(frame) < 120


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_are_counted_whatever_ends_them(told, newline):
    text = HEAD.replace("\n", newline) + f"[train]{newline}x = 01{newline}"
    assert told(text, head="").startswith("slips.toml:8:6: not TOML: a number does not begin")
