"""What an engine of a cluster asks of a runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from runner.engines.base import Launch


class Runtime(Protocol):
    """How jobs start on a node: as processes, or in containers."""

    @property
    def isolated(self) -> bool:
        """Whether a job is kept from the node's files, network and other processes."""

    @property
    def prepare_s(self) -> float:
        """What a node may need before a job begins, s."""

    @property
    def places(self) -> Sequence[Path]:
        """What nodes have to see besides a job's own folders."""

    def check(self) -> None:
        """Raise ``EngineError`` where no job can be laid out."""

    def lay_out(self, view: Path, launch: Launch) -> None:
        """Make the folder of what the job sees. Raises ``OSError`` and ``EngineError``."""

    def take_back(self, out_dir: Path) -> None:
        """Make the caller the owner of what a job has left whose supervisor did not do so."""

    def describe(self) -> dict[str, object]:
        """Facts for the hub, as an engine has them."""
