"""Pages of hubs at the edge: looked at in a browser, wide and narrow, and printed.

One arm, many, none that succeeded, texts that are hostile and names that are long, 10,000 epochs.
"""

import json
import re
import shutil
import subprocess
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

from runner.core.digest import pretty_json
from runner.hub import layout
from runner.hub.records.base import FileRecord
from runner.hub.records.beside import SummaryRecord
from runner.report import write_reports
from tests.runner.browser import browser, needs_chromium, opened
from tests.runner.report.test_groups_page import statistics_of

pytest.importorskip("axe_core_python")
pytestmark = needs_chromium

HOSTILE = (
    "<img src=x onerror=alert(1)>\u202e </script><script>window.evil=1</script> $x^2$ {{ 7*7 }}"
)
LONG = "a" * 64
LOOK = """
    for (const one of document.querySelectorAll("details")) one.open = true;
    await Promise.all([...document.images].map((one) => one.decode()));
    const found = await axe.run();
    const table = document.querySelector("#measured-table");
    return {
      evil: "evil" in window,
      violations: found.violations.flatMap((one) =>
        one.nodes.map((node) => `${one.id}: ${node.target} ${node.failureSummary}`)),
      passes: found.passes.length,
      beyond: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      height: document.documentElement.scrollHeight,
      images: [...document.images].map((one) => [one.alt, one.naturalWidth, one.width]),
      cells: table ? [...table.rows].flatMap((row) => [...row.cells].map((one) => one.innerText))
                   : [],
      told: document.body.innerText,
    };
"""


def picture(path, width):
    """A picture of the size that jobs draw."""
    pixels = np.random.default_rng(0).integers(0, 4, (width // 2, width)).astype(np.uint8)
    image = PIL.Image.fromarray(pixels)
    image.putpalette([value for level in range(256) for value in (level, level, level)])
    image.save(path, format="PNG")


def one_arm(record):
    return record.model_copy(update={"arms": record.arms[:1], "identical_arms": ()})


def all_failed(record):
    failed = tuple(
        record.arms[3].model_copy(update={"name": f"stable_large-{n}", "seed": n})
        for n in range(14)
    )
    return record.model_copy(update={"arms": failed, "identical_arms": ()})


def hostile(record):
    arms = tuple(
        arm.model_copy(
            update={
                "name": f"{LONG[: 63 - place]}{place}",
                "title": HOSTILE,
                "message": HOSTILE * 20 if arm.message else None,
                "log_tail": (HOSTILE,) if arm.log_tail else (),
                "null_reasons": {"phase_ms_ssim": HOSTILE},
            }
        )
        for place, arm in enumerate(record.arms)
    )
    told = {"arms": arms, "identical_arms": (), "title": HOSTILE, "question": HOSTILE * 9}
    return record.model_copy(update=told | {"notes": (HOSTILE, "x" * 3000)})


def many(record):
    arms = []
    for norm in ("none", "instance"):
        for rate in (2e-3, 2e-2):
            for seed in range(1, 5):
                like = record.arms[norm == "none" and rate > 1e-2 and seed < 4]
                plan = json.loads(json.dumps(like.parameters))
                plan["model"]["decoder_norm"] = norm
                plan["train"] = {**record.arms[0].parameters["train"], "learning_rate": rate}
                update = {"name": f"{norm}-lr{rate:g}-s{seed}", "seed": seed, "parameters": plan}
                update |= {"final_weights_sha256": f"{len(arms):064d}"}
                arms.append(like.model_copy(update=update))
    plot = FileRecord(path="losses.png", sha256="0" * 64, bytes=1, deterministic=True)
    told = {"arms": tuple(arms), "identical_arms": ()}
    return record.model_copy(
        update=told | {"summary": SummaryRecord(status="succeeded", files=(plot,))}
    )


def long_fit(record):
    return record.model_copy(update={"arms": record.arms[:3], "identical_arms": ()})


EPOCHS = {"long_fit": 10_000}
HUBS = {one.__name__: one for one in (one_arm, many, all_failed, hostile, long_fit)}


@pytest.fixture(scope="module")
def pipe(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
def page(record, tmp_path):
    """Makes the page of a hub of that kind: where it is."""

    def make(kind):
        told = HUBS[kind](record)
        hub = tmp_path / "hub"
        for arm in told.arms:
            (folder := hub / "arms" / arm.name).mkdir(parents=True)
            if arm.status == "succeeded":
                picture(folder / "recon.png", 1062)
                loss = np.geomspace(1, 1e-3, EPOCHS.get(kind, 3)).tolist()
                (folder / "history.json").write_text(json.dumps({"train_loss": loss}))
        picture(hub / "losses.png", 1020)
        if told.summary:
            (hub / layout.STATISTICS).write_bytes(
                pretty_json(statistics_of(told).model_dump(mode="json"))
            )
        write_reports(told, hub)
        return SimpleNamespace(path=hub / "report.html", record=told)

    return make


@pytest.mark.parametrize(
    ("kind", "width", "dark"),
    [
        *[(kind, 1280, False) for kind in HUBS],
        *[(kind, 390, True) for kind in ("one_arm", "hostile")],
    ],
)
def test_a_page_can_be_read_whatever_its_hub_is(page, pipe, kind, width, dark):
    made = page(kind)
    axe = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    seen = opened(pipe, f"file://{made.path}", library=axe, width=width, dark=dark)(LOOK)
    assert seen["violations"] == []
    assert seen["passes"] > 15
    assert (seen["evil"], seen["beyond"]) == (False, 0)
    assert made.path.stat().st_size < 10e6
    for arm in made.record.arms:
        assert arm.name in seen["told"]
    if width == 1280:
        assert seen["images"] or kind == "all_failed"
        for alt, _, shown in seen["images"]:
            width_mm = 180 if "losses" in alt else 150
            letters_px = 11.2 * shown / (width_mm * 96 / 25.4)
            assert letters_px >= 11, (alt, shown, letters_px)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
@pytest.mark.parametrize("kind", ["many", "hostile"])
def test_a_printed_page_has_every_column_and_what_is_folded(page, pipe, kind, tmp_path):
    made = page(kind)
    ask = opened(pipe, f"file://{made.path}")
    folded = ask("return document.querySelectorAll('details:not([open])').length")
    cells = ask("""
        return [...document.querySelectorAll("#measured-table tr > *")]
          .map((one) => one.innerText || one.textContent);
    """)
    (tmp_path / "printed.pdf").write_bytes(ask.printed())
    done = subprocess.run(
        ["pdftotext", "-bbox", tmp_path / "printed.pdf", "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    pages = re.findall(r'<page width="([\d.]+)" height="([\d.]+)">', done.stdout)
    assert {(round(float(w)), round(float(h))) for w, h in pages} == {(842, 595)}
    words = re.findall(
        r'xMin="([\d.-]+)" yMin="[\d.-]+" xMax="([\d.-]+)" yMax="[\d.-]+">(.*?)</word>', done.stdout
    )
    assert all(0 < float(left) < float(right) < 842 for left, right, _ in words)
    there = {word for *_, word in words}
    assert folded > 2
    assert "learning_rate" in "".join(there)
    assert {"steps/s", "time"} <= there
    numbers = {one for cell in cells for one in cell.split() if re.fullmatch(r"[\d.]+", one)}
    assert len(numbers) > 8
    assert numbers <= there
