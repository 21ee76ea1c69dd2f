"""Identity is canonical: the same content has the same digest wherever and however it lies."""

import hashlib
import inspect
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.digest import (
    canonical_json,
    digest_json,
    entries,
    pretty_json,
    sha256_bytes,
    sha256_file,
    tree_digest,
)
from runner.core.errors import VerificationError
from runner.core.names import is_plain_name
from runner.core.reading import parse_json

texts = st.text(st.characters(codec="utf-8"))
numbers = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=10,
)


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "b.txt").write_bytes(b"beta\n")
    (root / "sub" / "a.txt").write_bytes(b"alpha\n")
    (root / "empty").write_bytes(b"")
    return root


def test_the_digest_of_bytes_is_sha256():
    assert (
        sha256_bytes(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


@pytest.mark.parametrize("size", [0, 1, 2**18, 2**18 + 1, 3_000_000])
def test_a_file_has_the_digest_of_its_bytes(tmp_path, size):
    content = os.urandom(16) * (size // 16) + b"x" * (size % 16)
    path = tmp_path / "file"
    path.write_bytes(content)
    assert sha256_file(path) == hashlib.sha256(content).hexdigest()


def test_canonical_json_sorts_keys_and_spends_no_blanks():
    assert canonical_json({"b": [1, 2.5, None], "a": "φ"}) == '{"a":"φ","b":[1,2.5,null]}'.encode()


def test_pretty_json_is_indented_and_ends_with_a_newline():
    assert pretty_json({"b": 1, "a": [True]}) == b'{\n  "a": [\n    true\n  ],\n  "b": 1\n}\n'


@pytest.mark.parametrize("write", [canonical_json, pretty_json])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_is_refused(write, number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write({"x": [number]})


@given(json_values)
def test_both_spellings_say_the_same_value(value):
    assert parse_json(canonical_json(value)) == parse_json(pretty_json(value)) == value


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff", "not UTF-8: byte 0"),
        (b'{"a": NaN}', "NaN, which JSON does not have"),
        (b"-Infinity", "-Infinity, which JSON does not have"),
        (b"[1e999]", "1e999, which is no finite number"),
        (b'{"a": 1, "a": 2}', "a key twice"),
        (b"[" * 100_000, "nested more than 64 levels deep"),
        (b"[" * 65 + b"]" * 65, "nested more than 64 levels deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested more than 64 levels deep"),
        (b'["\\ud83d"]', "half of a character"),
        (b"9" * 5000, "an integer of more than 20 digits"),
    ],
)
def test_what_is_not_strict_json_is_refused_and_named(content, told):
    with pytest.raises(ValueError, match=told):
        parse_json(content)


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_change_a_digest(table):
    backwards = dict(reversed(table.items()))
    assert digest_json(table) == digest_json(backwards)


def test_a_json_digest_keeps_its_golden_value():
    assert digest_json({"name": "stable_sgd", "seed": 20260128, "lr": 3e-4}) == (
        "a0a98fa3717834e0f205e34cbb14cdbdb77038e203bfb96f4e4273a6bfd12d6c"
    )


def test_a_tree_digest_keeps_its_golden_value(tree):
    assert tree_digest(tree) == "68a900815de5d4045b77e10459e80d444bcb65dd6d3b8ae0bf6f6bd4f1406c09"


def test_a_tree_digest_can_be_repeated_with_coreutils(tree):
    (tree / "Z-before-b").write_text("byte order, not locale order")
    line = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    told = subprocess.run(["sh", "-c", line], cwd=tree, capture_output=True, text=True, check=True)
    assert tree_digest(tree) == told.stdout.split()[0]


def test_a_moved_tree_keeps_its_digest(tree, tmp_path):
    before = tree_digest(tree)
    moved = tmp_path / "elsewhere" / "other name"
    moved.parent.mkdir()
    shutil.move(tree, moved)
    assert tree_digest(moved) == before


def test_a_touched_tree_keeps_its_digest(tree):
    before = tree_digest(tree)
    os.utime(tree / "b.txt", (1, 1))
    (tree / "b.txt").chmod(0o400)
    assert tree_digest(tree) == before


def test_the_order_of_creation_does_not_change_a_digest(tmp_path):
    names = ["a", "a/x", "a.b", "B", "ä", "a b"]
    for root, order in ((tmp_path / "one", names), (tmp_path / "two", names[::-1])):
        for name in order:
            path = root / "d" / name.replace("a/", "sub/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    assert tree_digest(tmp_path / "one") == tree_digest(tmp_path / "two")


def test_entries_are_listed_in_byte_order_of_their_paths(tmp_path):
    names = [*"zyxwvutsrqponmlkjihgfedcba", "Z", "é", "a.b", "A/b", "A b", "A/a", "A.c"]
    for name in names:
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).touch()
    listed = [path.as_posix().encode() for path in entries(tmp_path)]
    assert listed == sorted(f"x/{name}".encode() for name in names)


def test_an_empty_folder_does_not_count(tree):
    before = tree_digest(tree)
    (tree / "hollow" / "deeper").mkdir(parents=True)
    assert tree_digest(tree) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "new empty file").touch(),
        lambda root: (root / "empty").unlink(),
        lambda root: (root / "b.txt").write_bytes(b"betb\n"),
        lambda root: (root / "b.txt").rename(root / "c.txt"),
        lambda root: (root / "b.txt").rename(root / "sub" / "b.txt"),
        lambda root: (root / "empty").write_bytes(b"\n"),
    ],
    ids=["added empty", "removed empty", "changed", "renamed", "moved inside", "newline added"],
)
def test_a_change_of_name_or_content_changes_the_digest(tree, change):
    before = tree_digest(tree)
    change(tree)
    assert tree_digest(tree) != before


def test_swapped_contents_change_the_digest(tree):
    before = tree_digest(tree)
    (tree / "b.txt").write_bytes(b"alpha\n")
    (tree / "sub" / "a.txt").write_bytes(b"beta\n")
    assert tree_digest(tree) != before


def test_include_chooses_by_relative_path(tree):
    before = tree_digest(tree)
    (tree / "sub" / "__pycache__").mkdir()
    (tree / "sub" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert tree_digest(tree) != before
    assert tree_digest(tree, include=lambda path: "__pycache__" not in path.parts) == before


@pytest.mark.parametrize("target", ["b.txt", "sub", "nowhere"])
def test_a_symbolic_link_is_refused_by_name(tree, target):
    (tree / "link").symlink_to(target)
    with pytest.raises(VerificationError, match=r"tree: link is a symbolic link"):
        tree_digest(tree)
    tree_digest(tree, include=lambda path: path.name != "link")


def test_a_fifo_is_refused_and_not_waited_for(tree):
    os.mkfifo(tree / "pipe")
    with pytest.raises(VerificationError, match="pipe is not a regular file"):
        tree_digest(tree)


@pytest.mark.parametrize("name", ["new\nline", "tab\t", "back\\slash", "bell\x07", "\u202eabc"])
def test_a_name_that_does_not_print_is_refused(tree, name):
    (tree / "sub" / name).touch()
    with pytest.raises(VerificationError, match="has a control character or a backslash"):
        tree_digest(tree)


def test_a_name_that_is_not_utf8_is_refused(tree):
    os.close(os.open(os.fsencode(tree) + b"/\xff", os.O_CREAT))
    with pytest.raises(VerificationError, match=r"'\\udcff' has a control character"):
        tree_digest(tree)


def test_a_root_that_is_no_folder_is_refused(tree):
    with pytest.raises(VerificationError, match=r"b\.txt is not a folder"):
        tree_digest(tree / "b.txt")


def test_names_of_ordinary_files_are_plain():
    assert is_plain_name("stage_a_arm_stable sgd (2).log")
    assert is_plain_name("größe.npz")


def test_a_tree_deeper_than_the_stack_is_listed(tmp_path):
    (tmp_path / ("d/" * 150)).mkdir(parents=True)
    (tmp_path / ("d/" * 150) / "file").touch()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 70)
    try:
        (path,) = entries(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert len(path.parts) == 151


def test_depth_and_digits_leave_room_for_honest_values():
    assert parse_json(b"[" * 63 + b"1" + b"]" * 63)
    assert parse_json(str(-(2**63)).encode()) == -(2**63)
