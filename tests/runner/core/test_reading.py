"""What others wrote is read without following, waiting or believing."""

import os
import signal

import pytest
from pydantic import BaseModel, ConfigDict

from runner.core.reading import (
    MissingError,
    open_below,
    open_regular,
    read_below,
    read_regular,
    read_table,
    typed,
)


@pytest.fixture(autouse=True)
def _nothing_hangs():
    signal.alarm(20)
    yield
    signal.alarm(0)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "hub" / "arms").mkdir(parents=True)
    (tmp_path / "hub" / "arms" / "stats.json").write_text('{"a": 1}')
    return tmp_path / "hub"


def test_a_file_below_is_read(root):
    assert read_below(root, "arms/stats.json") == b'{"a": 1}'
    assert read_table(root, "arms/stats.json") == {"a": 1}


def test_a_fifo_is_not_waited_for(root):
    os.mkfifo(root / "pipe")
    with pytest.raises(ValueError, match="pipe is not a regular file"):
        open_below(root, "pipe")
    with pytest.raises(ValueError, match="pipe is not a regular file"):
        open_regular(root / "pipe")


@pytest.mark.parametrize("target", ["/dev/zero", "arms/stats.json", "nowhere"])
def test_a_link_is_not_followed(root, target):
    (root / "link").symlink_to(target)
    with pytest.raises(ValueError, match="link is a symbolic link"):
        read_below(root, "link")


def test_a_linked_folder_on_the_way_is_not_followed(root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text("x")
    (root / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="Not a directory"):
        read_below(root, "out/secret")
    with pytest.raises(ValueError, match="out/secret cannot be read"):
        read_table(root, "out/secret")


def test_a_folder_is_no_file(root):
    with pytest.raises(ValueError, match="arms is not a regular file"):
        read_below(root, "arms")


def test_a_file_larger_than_allowed_is_refused_and_not_read(root):
    with (root / "hole").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="hole is larger than 1,000 bytes"):
        read_below(root, "hole", most=1000)
    with pytest.raises(ValueError, match="hole is larger than 1,000 bytes"):
        read_regular(root / "hole", most=1000)


def test_a_missing_file_is_told_apart(root):
    with pytest.raises(MissingError, match=r"arms/none\.json is missing"):
        read_table(root, "arms/none.json")


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seed: int


def test_a_wrong_value_is_named_by_file_and_key():
    with pytest.raises(ValueError, match=r"^row\.json: seed: Input should be a valid integer"):
        typed(Row, {"seed": "x"}, "row.json")
    with pytest.raises(ValueError, match=r"^row\.json: lr: unknown key$"):
        typed(Row, {"seed": 1, "lr": 2}, "row.json")


def test_a_message_has_a_bounded_length_whatever_the_key():
    with pytest.raises(ValueError, match="unknown key") as caught:
        typed(Row, {"seed": 1, "k" * 10**6: 2}, "row.json")
    assert len(str(caught.value)) < 300
