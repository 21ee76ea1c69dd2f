"""What asks a command to stop: Ctrl-C, SIGTERM, and SIGHUP when a terminal is closed.

Each raises ``KeyboardInterrupt`` where the command is, or after what must not be cut in two.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class _Gate:
    """What there is of signals in a process; the handlers of Python run in its first thread."""

    held: int = 0
    """Blocks of ``held_back`` that are open."""
    waiting: bool = False
    """Whether a signal came meanwhile."""
    came: int = 0
    """How many came."""


_gate = _Gate()


@contextmanager
def interrupts(*, then_ignore: bool = False) -> Iterator[None]:
    """Let each of the signals interrupt the block; one that the caller ignores stays ignored.

    The end of a terminal counts once, though the shell and the kernel both signal it. At the end of
    a program, where nothing can be interrupted any more, they are ignored.
    """
    _gate.waiting, _gate.came = False, 0
    taken = [one for one in SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in taken}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if then_ignore else handler)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    if number == signal.SIGHUP:
        signal.signal(number, signal.SIG_IGN)
    _gate.came += 1
    if _gate.held:
        _gate.waiting = True
        return
    raise KeyboardInterrupt


@contextmanager
def held_back(*, then_raise: bool = True) -> Iterator[None]:
    """Have signals wait for the end of the block, which is done as a whole or not begun.

    They interrupt there, unless what they would stop is done by then: ``then_raise`` is false.
    """
    _gate.held += 1
    try:
        yield
    finally:
        _gate.held -= 1
    if _gate.waiting and not _gate.held:
        _gate.waiting = False
        if then_raise:
            raise KeyboardInterrupt


def insisted() -> bool:
    """Whether a second signal has come: nothing is tidied up any more that could be later."""
    return _gate.came > 1
