"""Pages have no violation that axe-core finds: wide and narrow, light and dark, folded and open."""

import json
from importlib.resources import files

import pytest

from runner.report.pages import render
from runner.report.view import make_view
from tests.runner.browser import ask, needs_chromium

pytest.importorskip("axe_core_python")

LOOK = """
    const found = {};
    for (const open of [false, true]) {
      for (const one of document.querySelectorAll("details")) one.open = open;
      const seen = await axe.run();
      found[open ? "open" : "folded"] = [seen.passes.length, ...seen.violations.flatMap((one) =>
        one.nodes.map((node) => `${one.id}: ${node.target} ${node.failureSummary}`))];
    }
    const colour = getComputedStyle(document.body).backgroundColor;
    const scripted = !document.querySelector("#curves-drawn").parentElement.hidden;
    return {found, colour, width: innerWidth, scripted};
"""


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(
    ("dark", "colour"), [(False, "rgb(255, 255, 255)"), (True, "rgb(18, 23, 29)")]
)
def test_a_page_has_no_violations(record, hub_folder, tmp_path, width, dark, colour):
    for arm in record.arms[:2]:
        history = {"train_loss": [3.0, 2.0, 1.5], "val_loss": [3.0, None, 2.5]}
        (hub_folder / "arms" / arm.name / "history.json").write_text(json.dumps(history))
    axe = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page = render("report.html", make_view(record), hub_folder)
    answer = ask(page, tmp_path, LOOK, library=axe, width=width, dark=dark)
    assert (answer["colour"], answer["scripted"], answer["width"]) == (colour, True, width)
    violations = {name: told[1:] for name, told in answer["found"].items()}
    assert violations == {"folded": [], "open": []}
    assert min(told[0] for told in answer["found"].values()) > 15
