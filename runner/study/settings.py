"""``docs/study/study.toml``: how much of sealed hubs a study keeps. It may be missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from runner.experiment.common import Integer, Table
from runner.manifest.validation import read_settings_file
from runner.study.selection import STUDY_BYTES

NAME = "study.toml"


class Kept(Table):
    """What is kept of hubs below ``hubs/``."""

    most_bytes: Annotated[int, Integer] = Field(
        STUDY_BYTES, ge=0, description="Bytes that the files of all hubs may take."
    )


class Settings(Table):
    """The whole file."""

    hubs: Kept = Field(default_factory=Kept, description="What is kept of hubs.")


def read_settings(study: Path) -> Settings:
    """The settings of the study in a folder; the defaults where it has none.

    Raises ``ManifestError`` that names everything that is wrong with the file, line by line.
    """
    path = study / NAME
    if not path.exists():
        return Settings()
    return read_settings_file(path, Settings)
