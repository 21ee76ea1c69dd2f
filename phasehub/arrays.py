"""NPZ files of others: arrays of plain numbers out of bytes; nothing in them is executed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from phasehub.errors import HubError, extra

if TYPE_CHECKING:
    import zipfile

    from numpy.typing import NDArray

MOST_BYTES = 2**32
"""Of what a file may unpack to."""


def read_npz(content: bytes, name: str) -> dict[str, NDArray[Any]]:
    """The arrays in an NPZ file by name.

    Raises ``HubError`` for what is none, holds objects, or claims to be larger than it is.
    """
    import io
    import zipfile

    numpy = extra("numpy", "reading arrays")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check(archive, numpy)
        with numpy.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except Exception as error:  # zlib, zipfile and numpy have a dozen of their own for bad files
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        raise HubError(f"{name} cannot be read as arrays: {cause}") from None


def _check(archive: zipfile.ZipFile, numpy: Any) -> None:  # noqa: ANN401 - a library
    """Raise ``ValueError`` for members that are no arrays of numbers or texts, or too large."""
    members = archive.infolist()
    if (total := sum(member.file_size for member in members)) > MOST_BYTES:
        raise ValueError(f"it would unpack to {total:,} bytes, and {MOST_BYTES:,} are allowed")
    if len({member.filename for member in members}) < len(members):
        raise ValueError("it has a member twice")
    for member in members:
        shape, dtype = _header(archive, member, numpy.lib.format)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds objects, which are not read")
        if math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError(f"{member.filename} claims to be larger than it is")


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo, of: Any) -> tuple[Any, Any]:  # noqa: ANN401
    with archive.open(member) as file:
        version = of.read_magic(file)
        read = {(1, 0): of.read_array_header_1_0, (2, 0): of.read_array_header_2_0}[version]
        shape, _, dtype = read(file)
    return shape, dtype
