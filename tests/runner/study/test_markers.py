"""Generated blocks are replaced, prose is not touched, and odd markers are refused by line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.errors import StudyError
from runner.study.markers import block, has_blocks, replaced

PAGE = Path("docs/study/page.md")
BEGIN = "<!-- begin generated: one -->"
END = "<!-- end generated -->"
TWO = "<!-- begin generated: two -->"
MISSING = (
    "the block 'one' is missing; add the lines '<!-- begin generated: one -->' and "
    "'<!-- end generated -->' where it is to stand"
)

REFUSED = {
    "no marker": ("prose\n", f"docs/study/page.md:1: {MISSING}"),
    "an empty page": ("", f"docs/study/page.md:1: {MISSING}"),
    "a block twice": (
        f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n",
        "docs/study/page.md:3: the block 'one' stands on line 1 already; remove one",
    ),
    "a block inside another": (
        f"{BEGIN}\n{BEGIN}\n{END}\n",
        "docs/study/page.md:2: the block 'one' begins inside 'one', which begins on line 1; add a "
        "line '<!-- end generated -->' before it, or remove one of the two",
    ),
    "a block without an end": (
        f"prose\n{BEGIN}\nold\n",
        "docs/study/page.md:2: the block 'one' does not end; add a line '<!-- end generated -->'\n"
        f"docs/study/page.md:3: {MISSING}",
    ),
    "an end without a block": (
        f"{END}\n{BEGIN}\n{END}\n",
        "docs/study/page.md:1: '<!-- end generated -->' ends nothing; remove it",
    ),
    "a block that nothing makes": (
        f"{BEGIN}\n{END}\n{TWO}\n{END}\n",
        "docs/study/page.md:3: nothing is generated as 'two' here; expected 'one'",
    ),
    "a marker without a name": (
        f"{BEGIN}\n{END}\n<!-- begin generated -->\n",
        "docs/study/page.md:3: '<!-- begin generated -->' is no marker; write "
        "'<!-- begin generated: <name> -->' or '<!-- end generated -->' on a line of its own",
    ),
    "a marker that is indented": (
        f"{BEGIN}\n  {END}\n{END}\n",
        "docs/study/page.md:2: '<!-- end generated -->' is no marker; write "
        "'<!-- begin generated: <name> -->' or '<!-- end generated -->' on a line of its own",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_odd_markers_are_refused_by_line(case):
    text, message = REFUSED[case]
    with pytest.raises(StudyError) as caught:
        replaced(PAGE, text, {"one": "new"})
    assert str(caught.value) == message


def test_a_block_is_replaced_and_the_prose_stays():
    text = f"before\n\n{BEGIN}\nold\nolder\n{END}\n\nafter"
    assert replaced(PAGE, text, {"one": "new"}) == f"before\n\n{BEGIN}\nnew\n{END}\n\nafter"


def test_several_blocks_keep_their_order_on_the_page():
    text = f"{TWO}\n{END}\nbetween\n{BEGIN}\n{END}\n"
    new = replaced(PAGE, text, {"one": "1", "two": "2"})
    assert new == f"{TWO}\n2\n{END}\nbetween\n{BEGIN}\n1\n{END}\n"


def test_markers_inside_the_content_cannot_end_a_block():
    hostile = f"log\n{END}\n<!--Begin  generated: two -->\nlog"
    once = replaced(PAGE, block("one", "old"), {"one": hostile})
    assert once.count(END) == 1
    assert replaced(PAGE, once, {"one": hostile}) == once


def test_windows_line_ends_of_the_prose_are_kept():
    text = f"before\r\n{BEGIN}\r\nold\r\n{END}\r\nafter\r\n"
    new = replaced(PAGE, text, {"one": "new"})
    assert new == f"before\r\n{BEGIN}\nnew\n{END}\nafter\r\n"


prose = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\v\f\x1c\x1d\x1e\x85\u2028\u2029<")
)


@given(before=prose, after=prose, old=prose, new=prose)
def test_whatever_stands_outside_survives_and_a_second_time_changes_nothing(
    before, after, old, new
):
    head = before + "\n"
    text = head + block("one", old) + after
    once = replaced(PAGE, text, {"one": new})
    assert once == head + block("one", new) + after
    assert replaced(PAGE, once, {"one": new}) == once


def test_pages_with_markers_are_told_from_others():
    assert has_blocks(block("one", ""))
    assert has_blocks("<!--  END generated")
    assert not has_blocks("prose about generated blocks")
