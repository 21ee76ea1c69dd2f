"""PNG files, compared pixel by pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from models.differences.finding import Finding

Pixels = NDArray[np.uint8]


def read_pixels(path: Path) -> Pixels:
    """The picture as (rows, columns, 4): red, green, blue, opacity. Raises ``ValueError``."""
    try:
        with PIL.Image.open(path) as image:
            return np.asarray(image.convert("RGBA"))
    except OSError as error:
        raise ValueError(str(error)) from error


def compare_pixels(before: Pixels, after: Pixels) -> Finding | None:
    """The first pixel that differs, row by row; ``None`` where all are the same."""
    if before.shape != after.shape:
        return Finding(place="the size in pixels", before=_size(before), after=_size(after))
    mask_HW = (before != after).any(axis=-1)
    if not mask_HW.any():
        return None
    row, column = np.unravel_index(int(mask_HW.argmax()), mask_HW.shape)
    return Finding(
        place=f"pixel in row {row}, column {column} (red, green, blue, opacity)",
        before=_colour(before[row, column]),
        after=_colour(after[row, column]),
        differing=int(mask_HW.sum()),
        total=mask_HW.size,
        unit="pixels",
    )


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]} × {pixels.shape[0]}"


def _colour(pixel: NDArray[Any]) -> str:
    return str(tuple(int(channel) for channel in pixel))
