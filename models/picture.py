"""Files of figures, as pixels and as lines: the same bytes for the same figure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngInfo

from models.job import LINES
from models.sheet import COLUMN

MOST_COLOURS: Final = 256
"""What a palette holds. A picture with one takes a third of the room of one without."""
NUM_FREQUENT: Final = 192
"""Colours that are chosen for being frequent; the others for being unlike all chosen before."""
UNSAID: Final = {
    ".svg": ("Date", "Creator"),
    ".pdf": ("CreationDate", "Creator", "Producer"),
}
"""What a file would tell of its making, by suffix."""


PANELS: Final = "Panels"
"""Keyword of the text in a PNG file that says where in it comparable images are."""
Panels = Mapping[str, Mapping[str, Axes]]
"""Name → side → axes of one image; the sides of a name are alike, pixel by pixel."""


def save_png(figure: Figure, path_png: Path, panels: Panels | None = None) -> None:
    """Write a figure in 256 of its colours; all others take the nearest of them.

    Where ``panels`` are is written into the file, so that others can lay one over another. The
    bytes depend on the figure and on the installed packages only: no date, no version.
    """
    drawn = BytesIO()
    figure.savefig(drawn, format="rgba")
    width, height = (int(side) for side in figure.bbox.size)
    pixels_HW4 = np.frombuffer(drawn.getvalue(), np.uint8).reshape(height, width, 4)
    said = PngInfo()
    if panels is not None:
        said.add_text(PANELS, json.dumps(_boxes(panels, height), separators=(",", ":")))
    in_palette(pixels_HW4[..., :3]).save(path_png, format="PNG", optimize=True, pnginfo=said)


def _boxes(panels: Panels, height: int) -> dict[str, dict[str, list[int]]]:
    """Left, top, width and height of each panel as it was drawn, px; equal sizes within a name."""
    boxes: dict[str, dict[str, list[int]]] = {}
    for name, sides in panels.items():
        extents = [axes.bbox.extents for axes in sides.values()]
        size = [int(min(e[2] - e[0] for e in extents)), int(min(e[3] - e[1] for e in extents))]
        corners = [[round(left), height - round(top)] for left, _, _, top in extents]
        boxes[name] = {side: [*corner, *size] for side, corner in zip(sides, corners, strict=True)}
    return boxes


def save_plot(figure: Figure, path_png: Path, panels: Panels | None = None) -> None:
    """Write a figure as pixels, and as lines under the same name in the folder ``LINES`` beside.

    Images keep their own pixels in the files of lines.
    """
    arrange(figure)
    save_png(figure, path_png, panels)
    _save_all_lines(figure, path_png.parent / LINES, path_png.stem)


def save_column(figure: Figure, path_png: Path) -> None:
    """Write a figure as lines for the column of a journal, beside those of ``save_plot``."""
    arrange(figure)
    _save_all_lines(figure, path_png.parent / LINES, f"{path_png.stem}_{COLUMN.width_mm}mm")


def _save_all_lines(figure: Figure, folder: Path, name: str) -> None:
    for image in figure.findobj(AxesImage):
        image.set_interpolation("none")
    folder.mkdir(exist_ok=True)
    for suffix in UNSAID:
        save_lines(figure, folder / f"{name}{suffix}")


def save_lines(figure: Figure, path: Path) -> None:
    """Write a figure as SVG or PDF, by the suffix of the path, without date or version.

    Raises:
        KeyError: another suffix.
    """
    figure.savefig(path, metadata=dict.fromkeys(UNSAID[path.suffix]))


def arrange(figure: Figure) -> None:
    """Lay a figure out once, for all the files that it is written to."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def in_palette(pixels_HW3: NDArray[np.uint8]) -> PIL.Image.Image:
    """An image as indices of a palette: its most frequent colours, and what is unlike them.

    A thin line has few pixels, and the colour that distinguishes it from others must not be lost.
    """
    red_HW, green_HW, blue_HW = (pixels_HW3[..., n].astype(np.uint32) for n in range(3))
    codes_HW = red_HW << 16 | green_HW << 8 | blue_HW
    codes, counts = np.unique(codes_HW, return_counts=True)
    codes = codes.astype(np.int64)
    colours_N3 = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1)
    palette_K3 = colours_N3[np.sort(_chosen(colours_N3, counts))]
    nearest = _nearest(colours_N3, palette_K3)
    place_of = np.zeros(1 << 24, np.uint8)  # a table of all colours is faster than to search
    place_of[codes] = nearest
    image = PIL.Image.fromarray(place_of[codes_HW])
    image.putpalette(palette_K3.astype(np.uint8).tobytes())
    return image


def _chosen(colours_N3: NDArray[np.int64], counts_N: NDArray[np.int64]) -> list[int]:
    """Places of the colours of a palette: frequent ones, then each time the one least like them."""
    chosen = [int(place) for place in np.argsort(-counts_N, kind="stable")[:NUM_FREQUENT]]
    apart_N = np.min([_distance(colours_N3, place) for place in chosen], axis=0)
    while len(chosen) < MOST_COLOURS and apart_N.any():
        chosen.append(int(np.argmax(apart_N)))
        apart_N = np.minimum(apart_N, _distance(colours_N3, chosen[-1]))
    return chosen


def _distance(colours_N3: NDArray[np.int64], place: int) -> NDArray[np.int64]:
    """Squared distance of every colour from one of them."""
    squared: NDArray[np.int64] = ((colours_N3 - colours_N3[place]) ** 2).sum(axis=1)
    return squared


def _nearest(colours_N3: NDArray[np.int64], palette_K3: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Place of the nearest colour of the palette, for each colour."""
    apart = (colours_N3**2).sum(axis=1)[:, None] + (palette_K3**2).sum(axis=1)[None, :]
    apart -= 2 * colours_N3 @ palette_K3.T
    places: NDArray[np.intp] = np.argmin(apart, axis=1)
    return places.astype(np.uint8)
