"""What a hub carries so that it can be run again without the checkout that it was run from.

``code/`` holds the source of ``models/`` with its locks, and the Dockerfile; ``compared/`` holds of
every hub that this one was compared with the record and the small files that the comparison read.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from runner import hub
from runner.compared import Compared, small_files
from runner.digest import entries
from runner.dockerfile import DOCKERFILE
from runner.environment import models_digest
from runner.errors import VerificationError
from runner.names import SAFE_NAME
from runner.record import HubRecord
from runner.snapshot import Snapshot


def carry_code(code: Snapshot, folder: Path) -> None:
    """Copy what jobs run into the hub's ``folder``: ``models/`` with its locks, the Dockerfile."""
    target = folder / hub.CODE
    for name in entries(code.root):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(code.root / name, target / name)


def carried_code(folder: Path, record: HubRecord) -> Path:
    """The folder of a verified hub with the code that its jobs ran.

    Raises ``VerificationError`` where there is none, or where it is not the code of the record.
    """
    code = folder / hub.CODE
    if not (code / "models").is_dir() or not (code / DOCKERFILE).is_file():
        raise VerificationError(
            f"{folder} does not carry the code that it was run with; check out commit "
            f"{record.code.commit or 'of its time'} and run its {hub.MANIFEST}"
        )
    if (found := models_digest(code)) != record.code.models_sha256:
        raise VerificationError(
            f"{code / 'models'} is not what the hub's jobs ran: its digest is {found}, and "
            f"{hub.RECORD} says {record.code.models_sha256}"
        )
    return code


def carry_compared(compared: Iterable[Compared], folder: Path) -> None:
    """Copy of every compared hub what the job at the end of the phase reads."""
    for one in compared:
        target = folder / hub.COMPARED / one.facts.name
        target.mkdir(parents=True)
        shutil.copyfile(one.folder / hub.RECORD, target / hub.RECORD)
        for arm in one.record.arms:
            for name in small_files(arm):
                path = Path(hub.arm_dir(arm.name)) / name
                if (one.folder / path).is_file():
                    (target / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(one.folder / path, target / path)


def carried_compared(folder: Path, record: HubRecord) -> tuple[Compared, ...]:
    """The hubs that a verified hub was compared with, as it carries them.

    Raises ``VerificationError`` for a record that cannot be read, and for names that would lead
    out of the hub.
    """
    for facts in record.compared:
        refuse_odd_names(folder, facts.name.split("/"))
    places = [(folder / hub.COMPARED / facts.name, facts) for facts in record.compared]
    found = tuple(
        Compared(folder=place, facts=facts, record=hub.read(place)) for place, facts in places
    )
    for one in found:
        refuse_odd_names(folder, [arm.name for arm in one.record.arms])
    return found


def refuse_odd_names(folder: Path, names: Iterable[str]) -> None:
    """Raise ``VerificationError`` for a name that no manifest gives and no folder may have."""
    for name in names:
        if not (hub.is_name(name) or re.fullmatch(SAFE_NAME[1:-1], name)):
            raise VerificationError(
                f"{folder} is refused: {name!r} is no name of a phase, a hub or an arm"
            )
