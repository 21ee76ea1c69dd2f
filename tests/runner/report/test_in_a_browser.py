"""What a page does in a browser: tables are sorted, filtered and saved, by the keyboard as well."""

import csv
import io

import pytest

from runner.report import write_reports
from tests.runner.browser import ask, needs_chromium

pytestmark = needs_chromium


@pytest.fixture
def page(record, hub_folder):
    """Seven arms with scores, of which one has none."""
    first = record.arms[0]
    scores = {"a": 0.9, "b": 0.1, "c": 1e-5, "d": None, "e": -2.5, "f": 0.100001, "g": 12345.5}
    arms = tuple(
        first.model_copy(
            update={
                "name": name,
                "stats": {**first.stats, "amp_ssim": score, "constant_amp_ssim": 0.28},
            }
        )
        for name, score in scores.items()
    )
    told = record.model_copy(update={"arms": arms, "identical_arms": ()})
    write_reports(told, hub_folder)
    return (hub_folder / "report.html").read_text()


TABLE = """
const table = document.querySelector("#measured-table");
const heads = [...table.tHead.rows[0].cells];
const place = heads.findIndex((one) => one.textContent === "amp SSIM");
const head = heads[place], button = head.querySelector("button");
const names = () => [...table.tBodies[0].rows].filter((row) => !row.hidden)
  .map((row) => row.cells[0].textContent).join("");
const tools = table.closest(".scroll").previousElementSibling;
"""


def test_a_click_sorts_by_exact_numbers_and_keeps_the_baseline(page, tmp_path):
    answer = ask(page, tmp_path, TABLE + """
        const found = [names()];
        for (let n = 0; n < 3; n++) { button.click(); found.push(names(), head.ariaSort); }
        button.focus();
        return {found, focused: document.activeElement === button, tag: button.type,
                foot: table.tFoot.textContent, rows: table.tBodies[0].rows.length};
    """)  # fmt: skip
    assert answer["found"] == [
        "abcdefg", "ecbfagd", "ascending", "gafbced", "descending", "abcdefg", None,
    ]  # fmt: skip
    assert answer["focused"]
    assert answer["tag"] == "button"
    assert "a constant image" in answer["foot"]
    assert "0.2800" in answer["foot"]


def test_the_filter_leaves_rows_with_all_words_and_says_how_many(page, tmp_path):
    answer = ask(page, tmp_path, TABLE + """
        const input = tools.querySelector("input");
        input.value = "SUCCEEDED 12345";
        input.dispatchEvent(new Event("input"));
        const told = tools.querySelector("[role=status]").textContent, left = names();
        input.value = "";
        input.dispatchEvent(new Event("input"));
        return {told, left, again: names(), label: input.labels[0].textContent.trim(),
                baseline: table.tFoot.rows[0].hidden};
    """)  # fmt: skip
    assert answer["left"] == ""
    assert answer["told"] == "0 of 7 rows"
    assert answer["again"] == "abcdefg"
    assert answer["label"] == "Filter"
    assert answer["baseline"] is False


def test_a_saved_table_has_all_digits_in_the_shown_order_and_no_formula(page, tmp_path):
    answer = ask(page, tmp_path, TABLE + """
        const texts = [], files = [];
        window.Blob = class { constructor(parts) { texts.push(parts.join("")); } };
        URL.createObjectURL = () => "#";
        HTMLAnchorElement.prototype.click = function () { files.push(this.download); };
        table.tBodies[0].rows[0].cells[1].textContent = '=HYPERLINK("x")';
        table.tBodies[0].rows[1].cells[1].textContent = 'two,\\n "three"';
        button.click();
        document.querySelectorAll(".tools button").forEach((one) => one.click());
        return {files, texts};
    """)  # fmt: skip
    measured = list(csv.DictReader(io.StringIO(answer["texts"][0].removeprefix("\ufeff"))))
    assert answer["files"][0] == "what-was-measured-of-the-arms.csv"
    assert [row["arm"] for row in measured] == [*"ecbfagd", "a constant image"]
    assert [row["amp SSIM"] for row in measured][3:] == ["0.100001", "0.9", "12345.5", "", "0.28"]
    assert measured[0]["time"] == "1874.2"
    outcomes = {row["arm"]: row["outcome"] for row in measured}
    assert (outcomes["a"], outcomes["b"]) == ('\'=HYPERLINK("x")', 'two, "three"')


def test_the_head_and_the_first_column_stay_in_sight(page, tmp_path):
    answer = ask(page, tmp_path, TABLE + """
        const frame = table.closest(".scroll"), box = () => frame.getBoundingClientRect();
        frame.style.maxHeight = "150px"; frame.style.maxWidth = "300px";
        frame.scrollTo(200, 100);
        const corner = heads[0].getBoundingClientRect(), foot = table.tFoot.rows[0].cells[0];
        const row = table.tBodies[0].rows[3].cells[0].getBoundingClientRect();
        return [corner.top - box().top, corner.left - box().left, row.left - box().left,
                foot.getBoundingClientRect().bottom - box().bottom < 20, frame.scrollLeft];
    """, width=390)  # fmt: skip
    assert answer == [0, 0, 0, True, 200]
