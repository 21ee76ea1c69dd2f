"""Text for people: of others, so that nothing in it steers a terminal; and lists in a sentence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import EIO, EPIPE
from typing import TextIO

Say = Callable[[str], None]
"""What shows one line to the user."""
MOST_LISTED = 6
"""Names that a shortened list gives."""
_KEPT = frozenset("\n\t")
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def visible(text: str) -> str:
    r"""Text whose every sign can be seen: what does not print stands as ``\x1b`` or ``\u202e``.

    Line ends and tabs stay. Control characters, formatting characters such as those that turn the
    direction of writing, and halves of characters do not print.
    """
    if text.isprintable():
        return text
    return "".join(sign if _is_seen(sign) else _spelled(sign) for sign in text)


def _is_seen(sign: str) -> bool:
    return sign.isprintable() or sign in _KEPT or unicodedata.category(sign) == "Zs"


def _spelled(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 256 else sign.encode("ascii", "backslashreplace").decode()


def plain(line: str) -> str:
    """A line of a console log without terminal codes; what does not print becomes ``�``."""
    bare = _ESCAPE_SEQUENCE.sub("", line).expandtabs()
    return "".join(sign if sign.isprintable() else "�" for sign in bare)


class ReaderGone(BaseException):
    """Nobody reads any more what is printed. As with an interrupt, nothing on the way takes it."""


@contextmanager
def _read_by_somebody() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (EPIPE, EIO):
            raise
        raise ReaderGone from error


class Screen:
    """A text stream that writes what it is given as ``visible`` has it; all else is the stream's.

    The command line puts its standard streams behind one, so that no verb can forget. Raises
    ``ReaderGone`` where the stream is a pipe that nobody reads, or a terminal that was closed.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text``, made visible."""
        with _read_by_somebody():
            return self._stream.write(visible(text))

    def writelines(self, lines: list[str]) -> None:
        """Write each line, made visible."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write out what has been kept back."""
        with _read_by_somebody():
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def behind(stream: TextIO) -> TextIO:
    """The stream itself where one is a screen, for who writes terminal codes on purpose."""
    return stream._stream if isinstance(stream, Screen) else stream


def listing(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def briefly(names: Sequence[str]) -> str:
    """As ``listing``, the first ones where there are many: ``a, b, c and 5 more``."""
    if len(names) <= MOST_LISTED:
        return listing(names)
    return f"{', '.join(names[:MOST_LISTED])} and {len(names) - MOST_LISTED} more"
