"""What a hub carries so that it can be run again without the checkout that it was run from.

``code/`` holds the source of ``models/`` with its locks, and the Dockerfile; ``compared/`` holds of
every hub that this one was compared with the record and the small files that the comparison read.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from runner.core.digest import entries
from runner.core.errors import VerificationError
from runner.core.project import models_digest
from runner.core.reading import copy_below, is_file_below
from runner.engines.images.snapshot import Snapshot
from runner.engines.images.stage import DOCKERFILE
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.verify.baselines import Baseline, small_files


def bundle_code(code: Snapshot, folder: Path) -> None:
    """Copy what jobs run into the hub's ``folder``: ``models/`` with its locks, the Dockerfile."""
    target = folder / layout.CODE
    for name in entries(code.root):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(code.root / name, target / name)


def bundled_code(folder: Path, record: HubRecord) -> Path:
    """The folder of a verified hub with the code that its jobs ran.

    Raises ``VerificationError`` where there is none, or where it is not the code of the record.
    """
    code = folder / layout.CODE
    if not (code / "models").is_dir() or not (code / DOCKERFILE).is_file():
        raise VerificationError(
            f"{folder} does not carry the code that it was run with; check out commit "
            f"{record.code.commit or 'of its time'} and run its {layout.MANIFEST}"
        )
    if (found := models_digest(code)) != record.code.models_sha256:
        raise VerificationError(
            f"{code / 'models'} is not what the hub's jobs ran: its digest is {found}, and "
            f"{layout.RECORD} says {record.code.models_sha256}"
        )
    return code


def bundle_baselines(compared: Iterable[Baseline], folder: Path) -> None:
    """Copy of every compared hub what the job at the end of the phase reads."""
    for one in compared:
        target = folder / layout.COMPARED / one.facts.name
        target.mkdir(parents=True)
        copy_below(one.folder, layout.RECORD, target / layout.RECORD)
        for arm in one.record.arms:
            for name in small_files(arm):
                path = f"{layout.arm_dir(arm.name)}/{name}"
                if is_file_below(one.folder, path):
                    (target / path).parent.mkdir(parents=True, exist_ok=True)
                    copy_below(one.folder, path, target / path)


def bundled_baselines(folder: Path, record: HubRecord) -> tuple[Baseline, ...]:
    """The hubs that a verified hub was compared with, as it carries them.

    Raises ``VerificationError`` for a record that cannot be read.
    """
    places = [(folder / layout.COMPARED / facts.name, facts) for facts in record.compared]
    return tuple(
        Baseline(folder=place, facts=facts, record=layout.read(place)) for place, facts in places
    )
