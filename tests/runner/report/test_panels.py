"""Images are laid one over another where a picture says they are, and nowhere outside of it."""

import io
import json

import PIL.Image
import pytest
from PIL.PngImagePlugin import PngInfo

from runner.hub.records.base import FileRecord
from runner.report.pages import render
from runner.report.panels import panels_of
from runner.report.view import make_view
from tests.runner.browser import ask, needs_chromium

RED, BLUE = (200, 10, 20), (10, 20, 200)
GOOD = {"amplitude": {"made": [5, 6, 20, 10], "truth": [50, 30, 20, 10]}}


def picture(text, colour=RED):
    """100 × 60 px: one colour at the first place, blue at the second, white around them."""
    image = PIL.Image.new("RGB", (100, 60), "white")
    image.paste(colour, (5, 6, 25, 16))
    image.paste(BLUE, (50, 30, 70, 40))
    said, written = PngInfo(), io.BytesIO()
    said.add_text("Panels", text)
    image.save(written, format="PNG", pnginfo=said)
    return written.getvalue()


def test_panels_are_where_the_picture_says():
    assert panels_of(picture(json.dumps(GOOD))) == {
        "amplitude": {"made": (5, 6, 20, 10), "truth": (50, 30, 20, 10)}
    }


def with_box(*box):
    return json.dumps({"a": {"one": [5, 6, 20, 10], "two": box}})


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", "null", '{"a": {}}', '{"a": {"one": [1, 1, 9, 9]}}',
        with_box(90, 30, 20, 10), with_box(50, 55, 20, 10), with_box(50, 30, 20, 11),
        with_box(-1, 30, 20, 10), with_box(50.5, 30, 20, 10), with_box(50, 30, 20),
        json.dumps({"a" * 61: GOOD["amplitude"]}), json.dumps({"": GOOD["amplitude"]}),
        json.dumps({str(n): GOOD["amplitude"] for n in range(7)}),
        json.dumps(GOOD) + " " * 5000,
    ],
)  # fmt: skip
def test_what_has_another_form_says_nothing(text):
    assert panels_of(picture(text)) == {}


def test_a_picture_that_is_cut_off_or_none_says_nothing():
    whole = picture(json.dumps(GOOD))
    assert [panels_of(whole[:length]) for length in range(110)] == [{}] * 110
    assert panels_of(b"GIF89a" + whole) == {}


@pytest.fixture
def shown(record, hub_folder):
    """A page with two arms whose pictures have panels, one of them with an evil name."""
    evil = "</script><script>alert(1)</script>"
    arms = []
    for name, colour in (("stable_sgd", RED), ("stable_sgd_clip", (1, 200, 3))):
        content = picture(json.dumps({**GOOD, evil: GOOD["amplitude"]}), colour)
        (hub_folder / "arms" / name / "recon.png").write_bytes(content)
        file = FileRecord(path="recon.png", sha256="3" * 64, bytes=9, deterministic=True)
        arms.append(record.arm(name).model_copy(update={"files": (file,)}))
    told = record.model_copy(update={"arms": tuple(arms)})
    return render("report.html", make_view(told), hub_folder)


def test_without_such_pictures_there_is_no_slider_and_names_end_no_element(
    record, hub_folder, shown
):
    assert "slider-data" in shown
    assert "<script>alert" not in shown
    for name in ("stable_sgd", "stable_adamw", "stable_sgd_clip"):
        (hub_folder / "arms" / name / "recon.png").write_bytes(picture("{}"))
    plain = render("report.html", make_view(record), hub_folder)
    assert 'id="slider-data"' not in plain
    assert 'id="slider-drawn"' not in plain


@needs_chromium
def test_the_slider_shows_the_pixels_of_any_two_arms(shown, tmp_path):
    answer = ask(shown, tmp_path, """
        const place = document.getElementById("slider-drawn");
        const [panel, left, right] = place.querySelectorAll("select");
        const [under, over] = place.querySelectorAll("canvas");
        const range = place.querySelector("input");
        const drawn = (text) => until(() => place.dataset.drawn === text);
        const pixel = (canvas) => [...canvas.getContext("2d").getImageData(19, 9, 1, 1).data];
        const found = {hidden: place.closest(".scripted").hidden};
        found.first = await drawn("stable_sgd, made | stable_sgd, truth");
        found.size = [under.width, under.height, over.width, over.height];
        found.pixels = [pixel(over), pixel(under)];
        left.value = [...left.options].findIndex((one) => one.text === "stable_sgd_clip, made");
        left.dispatchEvent(new Event("change"));
        found.second = await drawn("stable_sgd_clip, made | stable_sgd, truth");
        found.other = pixel(over);
        range.value = 25;
        range.dispatchEvent(new Event("input"));
        found.clip = over.style.clipPath;
        found.label = place.querySelector("[role=img]").getAttribute("aria-label");
        found.panels = [...panel.options].map((one) => one.text.length);
        return found;
    """)  # fmt: skip
    assert answer == {
        "hidden": False,
        "first": True,
        "size": [20, 10, 20, 10],
        "pixels": [[*RED, 255], [*BLUE, 255]],
        "second": True,
        "other": [1, 200, 3, 255],
        "clip": "inset(0px 75% 0px 0px)",
        "label": "amplitude: stable_sgd_clip, made, beside stable_sgd, truth",
        "panels": [9, 34],
    }
