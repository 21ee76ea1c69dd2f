"""How values are spelled for people."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.text import briefly, listing, plain
from runner.hub.records.arm import ArmRecord
from runner.report.wording import (
    STATUS_WORDS,
    came_about,
    declared,
    duration,
    fence,
    markdown,
    measured,
    moment,
)


def cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.9, "0.9000"),
        (0.0237, "0.02370"),
        (33.13, "33.13"),
        (1.2e-9, "1.200e-09"),
        (123456.0, "1.235e+05"),
        (8_523_010, "8,523,010"),
        (0, "0"),
        (True, "yes"),
        (False, "no"),
        (None, "—"),
        ("text", "text"),
    ],
)
def test_measurements_have_four_digits(value, told):
    assert measured(value) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (3e-4, "0.0003"),
        (1e9, "1e+09"),
        (0.0, "0"),
        (0.1234567891, "0.1234567891"),
        (20, "20"),
        (True, "true"),
        (None, "—"),
        ([0.9, 0.999], "[0.9, 0.999]"),
        ("adamw", "adamw"),
    ],
)
def test_knobs_keep_all_their_digits(value, told):
    assert declared(value) == told


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_declared_number_reads_back(number):
    assert float(declared(number)) == number


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "—"),
        (0, "0.0 s"),
        (8.42, "8.4 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (1874.2, "31 min 14 s"),
        (3599.7, "1 h 0 min"),
        (9371.0, "2 h 36 min"),
    ],
)
def test_durations_have_at_most_two_units(seconds, told):
    assert duration(seconds) == told


def test_a_moment_is_told_in_utc():
    assert moment("2026-01-30T14:00:00.123+09:00") == "2026-01-30 05:00:00 UTC"


@pytest.mark.parametrize(
    ("names", "told"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")],
)
def test_names_are_listed_as_in_a_sentence(names, told):
    assert listing(names) == told


def test_of_many_names_the_first_are_listed():
    assert briefly(list("abcdef")) == "a, b, c, d, e and f"
    assert briefly(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"


@pytest.mark.parametrize(
    ("collapsed", "epoch", "told"),
    [(None, None, "—"), (False, None, "no"), (True, 7, "epoch 7"), (True, 0, "epoch 0"),
     (True, None, "yes")],
)  # fmt: skip
def test_a_collapse_is_told_with_its_epoch(record, collapsed, epoch, told):
    changed = {"collapsed": collapsed, "collapse_epoch": epoch}
    assert came_about(record.arms[0].model_copy(update=changed)) == told


def test_every_status_has_a_word():
    statuses = ArmRecord.model_json_schema()["properties"]["status"]["enum"]
    assert set(STATUS_WORDS) == set(statuses)


@given(st.text())
def test_escaped_text_stays_in_its_cell(text):
    escaped = markdown(text)
    assert "\n" not in escaped
    assert "<" not in escaped
    assert len(cells(f"| {escaped} | next |")) == 2


@given(st.lists(st.text("`a")))
def test_nothing_in_a_log_closes_its_fence(lines):
    first, *body, last = fence(lines).split("\n")
    ticks = first.removesuffix("text")
    assert last == ticks
    assert all(not line.startswith(ticks) for line in body)


def test_terminal_codes_are_taken_out_of_a_line():
    assert plain("\x1b[31mred\x1b[0m \x07bell") == "red �bell"
    assert plain("a\tb") == "a       b"
