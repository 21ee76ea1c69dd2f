"""Package locks, parsed in full or refused: what pip is given is written from the parsed pins.

A lock can come out of a stranger's hub, and pip's format holds more than names and versions:
options that build from source or search elsewhere, other files, URLs, and line ends that only pip
knows (form feed, U+2028), behind which all that can hide in a comment. So the format here is the
one that our own locks have, anything else is refused by its line, and no lock reaches pip itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.core.reading import MIB, read_regular
from runner.engines.environments.packages import normalised

MOST_BYTES = 4 * MIB
"""Of a lock; our largest has 0.3 MB."""

_STRANGE = re.compile(rb"[^\n -~]")
_VALUE = r"'[A-Za-z0-9._+-]+'"
_VARIABLE = (
    r"(?:python_version|python_full_version|sys_platform|platform_system|platform_machine|"
    r"platform_python_implementation|implementation_name|os_name)"
)
_COMPARISON = rf"{_VARIABLE} (?:==|!=|<=|>=|<|>) {_VALUE}"
_VERSION = (
    r"(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*(?:(?:a|b|rc)[0-9]+)?(?:\.post[0-9]+)?(?:\.dev[0-9]+)?"
    r"(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?"
)
"""As PEP 440 has them, in the spelling that indexes and lock writers use."""
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
    rf"==(?P<version>{_VERSION})"
    rf"(?: ; (?P<marker>{_COMPARISON}(?: (?:and|or) {_COMPARISON})*))?"
    r"(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One package of a lock: exact version, and the digests of the wheels that may provide it."""

    name: str
    version: str
    sha256: frozenset[str]
    marker: str = ""
    """For which interpreters and machines alone it is, as in the lock; empty for all."""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def read_pins(lock: Path) -> list[Pin]:
    """The packages of a hash-locked requirements file, in its order.

    Raises ``ValueError`` naming file and line for whatever a lock of ours does not hold.
    """
    try:
        return parse_pins(read_regular(lock, most=MOST_BYTES))
    except OSError as error:
        raise ValueError(f"{lock} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{lock}: {error}") from error


def parse_pins(content: bytes) -> list[Pin]:
    """``read_pins`` of a file's bytes. Raises ``ValueError`` naming the line."""
    if found := _STRANGE.search(content):
        place = content.count(b"\n", 0, found.start()) + 1
        raise ValueError(
            f"line {place} holds byte 0x{found[0][0]:02x}, and a lock is printable ASCII alone"
        )
    pins: dict[tuple[str, str], Pin] = {}
    for number, line in _logical_lines(content.decode("ascii")):
        pin = _pin(number, line)
        key = (normalised(pin.name), pin.marker)
        if key in pins:
            raise ValueError(f"line {number} locks {pin.name} a second time")
        pins[key] = pin
    return list(pins.values())


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of each requirement, its continued lines joined; comments left out."""
    begun = 0
    parts: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        bare = line.strip(" ")
        if not bare or bare.startswith("#"):
            if parts or bare.endswith("\\"):
                raise ValueError(f"line {number}: a line that goes on ends in nothing")
            continue
        if bare.endswith("\\") and not bare.endswith(" \\"):
            raise ValueError(f"line {number}: pip joins lines without a blank; write one before \\")
        begun = begun if parts else number
        parts.append(bare.removesuffix("\\").strip(" "))
        if not bare.endswith("\\"):
            yield begun, re.sub(" +", " ", " ".join(parts))
            parts = []
    if parts:
        raise ValueError(f"line {begun}: a line that goes on ends in nothing")


def _pin(number: int, line: str) -> Pin:
    found = _REQUIREMENT.fullmatch(line)
    if not found:
        raise ValueError(
            f"line {number}: only `name==version --hash=sha256:…` is taken, and "
            f"{line[:60]!r} is not locked"
        )
    return Pin(
        name=found["name"],
        version=found["version"],
        sha256=frozenset(re.findall(r"[0-9a-f]{64}", found["hashes"])),
        marker=found["marker"] or "",
    )


def written(pins: Iterable[Pin]) -> str:
    """The text of a lock with these pins and nothing else: what pip is given."""
    return "".join(_requirement(pin) for pin in pins)


def _requirement(pin: Pin) -> str:
    head = f"{pin} ; {pin.marker}" if pin.marker else str(pin)
    return " \\\n    ".join([head, *(f"--hash=sha256:{one}" for one in sorted(pin.sha256))]) + "\n"
