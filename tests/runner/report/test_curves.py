"""The curves of a page are those of the arms' histories, whatever an arm has written there."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from runner.report import curves as curves_room
from runner.report.curves import curves
from runner.report.pages import render
from runner.report.view import make_view
from tests.runner.browser import ask, needs_chromium

VENDORED = Path(curves_room.__file__).parent / "vendored"


def write(folder, **arms):
    for name, table in arms.items():
        (folder / "arms" / name / "history.json").write_text(json.dumps(table))


def drawn(record, folder):
    return curves({arm.name: (arm, folder) for arm in record.arms}, {})


def test_quantities_are_those_of_the_histories_the_best_known_first(record, hub_folder):
    write(
        hub_folder,
        stable_sgd={
            "a_b": [1.0, 2.0],
            "by_layer": {"0": [3.0, 3.0]},
            "val_loss": [0.123456789, None],
        },
        stable_adamw={"train_loss": [4.0, 5.0, 6.0]},
    )
    found = drawn(record, hub_folder)
    assert (found.unit, found.bunch, found.x) == ("epoch", 1, [0, 1, 2])
    assert found.quantities == ["train loss", "val loss", "a b"]
    sgd, adamw = found.table()["curves"]
    assert sgd == {"arm": "stable_sgd", "group": 0, "mark": None, "word": "",
                   "y": [[], [0.12346, None], [1.0, 2.0]]}  # fmt: skip
    assert (adamw["mark"], adamw["word"], adamw["y"][0]) == (7, "collapsed", [4.0, 5.0, 6.0])
    assert found.groups == ["stable_sgd", "stable_adamw"]


def test_long_curves_become_medians_of_neighbours(record, hub_folder, monkeypatch):
    write(hub_folder, stable_sgd={"train_loss": [*map(float, range(10_000))]})
    found = drawn(record, hub_folder)
    assert (found.bunch, len(found.x), found.x[1]) == (25, 400, 25)
    assert found.curves[0].columns["train loss"][:2] == [12.0, 37.0]
    text = render("report.html", make_view(record), hub_folder)
    assert "each point the median of 25 epochs" in text
    monkeypatch.setattr(curves_room, "MOST_NUMBERS", 400)
    write(hub_folder, stable_adamw={"train_loss": [1.0, 2.0]})
    fewer = drawn(record, hub_folder)
    assert (len(fewer.curves), fewer.num_left_out) == (1, 1)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"train_loss": [1.0]}', '{"train_loss": "1"}', "{}"]
)
def test_without_two_points_there_are_no_curves_and_no_library(record, hub_folder, content):
    (hub_folder / "arms/stable_sgd/history.json").write_text(content)
    assert drawn(record, hub_folder) is None
    assert "uPlot" not in render("report.html", make_view(record), hub_folder)


EVIL = "</script><script>alert(1)</script><!-- \u2028 & '\""


def hostile(record, folder):
    write(folder, stable_sgd={EVIL: [1.0, 2.0], "train_loss": [3.0, 2.0]})
    return render("report.html", make_view(record), folder)


def test_a_name_in_a_history_ends_no_element(record, hub_folder):
    text = hostile(record, hub_folder)
    assert EVIL not in text
    assert "<script>alert" not in text
    (inside,) = re.findall(r'id="curves-data">(.*?)</script>', text, re.DOTALL)
    assert not re.search("[<>&\u2028]", inside)
    assert len(json.loads(inside)["quantities"]) == 2


def test_the_library_is_what_is_on_record_and_its_licence_is_in_the_page(record, hub_folder):
    rows = dict(re.findall(r"\| `(\S+)` \| `(\w{64})` \|", (VENDORED / "README.md").read_text()))
    files = {
        path.name: path.read_bytes() for path in VENDORED.iterdir() if path.name != "README.md"
    }
    assert {name: hashlib.sha256(content).hexdigest() for name, content in files.items()} == rows
    text = hostile(record, hub_folder)
    assert files["uPlot.iife.min.js"].decode() in text
    assert files["uPlot.LICENSE"].decode() in text


@needs_chromium
def test_curves_are_switched_read_by_the_keyboard_and_hidden_without_the_script(
    record, hub_folder, tmp_path
):
    write(
        hub_folder,
        stable_sgd={EVIL: [1.0, 2.0], "train_loss": [0.9, 0.25, 0.125]},
        stable_adamw={"train_loss": [0.8, 0.5, 0.00375]},
    )
    text = render("report.html", make_view(record), hub_folder)
    assert '<section class="scripted" hidden' in text
    answer = ask(text, tmp_path, """
        const section = document.querySelector("#curves").closest("section");
        const chart = section.querySelector(".chart"), said = section.querySelector(".readout");
        const key = (name) => chart.dispatchEvent(new KeyboardEvent("keydown", {key: name}));
        await until(() => chart.querySelector("canvas"));
        const found = {hidden: section.hidden, canvas: chart.querySelectorAll("canvas").length,
                       log: section.querySelector("input").checked};
        key("ArrowRight"); await until(() => said.textContent.startsWith("epoch 0"));
        key("ArrowRight"); await until(() => said.textContent.startsWith("epoch 1"));
        found.read = said.textContent;
        const boxes = [...section.querySelectorAll("fieldset input")];
        found.groups = boxes.map((box) => box.labels[0].textContent);
        boxes[0].click();
        found.label = chart.getAttribute("aria-label");
        key("ArrowRight"); await until(() => said.textContent.startsWith("epoch 2"));
        found.less = said.textContent;
        const select = section.querySelector("select");
        found.names = [...select.options].map((one) => one.textContent);
        select.value = 1; select.dispatchEvent(new Event("change"));
        found.other = chart.getAttribute("aria-label");
        return found;
    """)  # fmt: skip
    other = answer.pop("names")
    assert other[0] == "train loss"
    assert "alert(1)" in other[1]
    assert answer == {
        "hidden": False,
        "canvas": 1,
        "log": True,
        "read": "epoch 1, train loss: stable_sgd 0.25 · stable_adamw 0.5",
        "groups": ["stable_sgd", "stable_adamw"],
        "label": "train loss by epoch: 1 of 2 curves",
        "less": "epoch 2, train loss: stable_adamw 0.00375",
        "other": f"{other[1]} by epoch: 1 of 2 curves",
    }
