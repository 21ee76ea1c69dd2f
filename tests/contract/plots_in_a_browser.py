"""Plots that a job has left as SVG files, as a browser draws them."""

from pathlib import Path

import matplotlib as mpl

from tests.runner.browser import CHROMIUM, ask

LETTERS = Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
SMALLEST_PX = 11
"""Of letters, on a screen of 96 px to an inch on which a plot has its own width."""
SLACK_PX = 2
"""By which boxes of writing may touch: they have room for accents that no letter here has."""
LOOK = """
    await document.fonts.ready;
    return [...document.querySelectorAll("figure")].map((figure) => {
      const drawn = figure.querySelector("svg").getBoundingClientRect();
      const texts = [...figure.querySelectorAll("text")].filter((one) => one.textContent.trim());
      return {
        name: figure.dataset.name, width: drawn.width,
        texts: texts.map((one) => {
          const box = one.getBoundingClientRect(), scale = one.getScreenCTM();
          return {
            words: one.textContent.trim(),
            px: parseFloat(getComputedStyle(one).fontSize) * Math.hypot(scale.a, scale.b),
            box: [box.left - drawn.left, box.top - drawn.top,
                  box.right - drawn.left, box.bottom - drawn.top],
          };
        }),
        height: drawn.height,
      };
    });
"""


def assert_all_can_be_read(paths, folder):
    """Letters have their size, and lie neither on others nor beyond the edge; and there are any."""
    assert paths
    if CHROMIUM is None:
        return
    figures = "".join(f'<figure data-name="{path.name}">{_markup(path)}</figure>' for path in paths)
    font = f'@font-face {{ font-family: "DejaVu Sans"; src: url("file://{LETTERS}"); }}'
    page = f"<!doctype html><meta charset=utf-8><style>{font}</style>{figures}"
    for drawn in ask(page, folder, LOOK):
        _assert_can_be_read(drawn)


def _markup(path):
    """The element of a file, without what stands before it."""
    return path.read_text()[path.read_text().index("<svg") :]


def _assert_can_be_read(drawn):
    texts = drawn["texts"]
    assert len(texts) > 10, drawn["name"]
    for number, one in enumerate(texts):
        left, top, right, bottom = one["box"]
        assert one["px"] >= SMALLEST_PX, (drawn["name"], one)
        assert min(left, top) > -SLACK_PX, (drawn["name"], one)
        assert right < drawn["width"] + SLACK_PX, (drawn["name"], one)
        assert bottom < drawn["height"] + SLACK_PX, (drawn["name"], one)
        for other in texts[:number]:
            across = min(right, other["box"][2]) - max(left, other["box"][0])
            along = min(bottom, other["box"][3]) - max(top, other["box"][1])
            assert min(across, along) <= SLACK_PX, (drawn["name"], one, other)
