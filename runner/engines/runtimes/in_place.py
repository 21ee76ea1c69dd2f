"""Runtimes without a store of images: they use one where it lies, on the shared folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from runner.engines.runtimes.container import Container
from runner.engines.supervisor import RefusedError

STAMP = ".fingerprint"
"""Follows the name of an image: what was found in it, once it was as planned."""
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The environment that an image without one has."""


class InPlace(Container):
    """A job in a container whose root is a folder, or a file, that all nodes see."""

    @property
    def root(self) -> Path:
        """The folder, or the file."""
        return Path(self.image["place"])

    @property
    def _stamp(self) -> Path:
        return self.root.with_name(self.root.name + STAMP)

    def has_image(self) -> bool:
        """Whether a node has taken the fingerprint of the packages in there before."""
        with suppress(OSError):
            return self._stamp.read_text("ascii") == str(self.image["packages_sha256"])
        return False

    def load_image(self) -> None:
        """Nothing is to be loaded. Raises ``RefusedError`` where the folder is not seen."""
        if not self.root.exists():
            raise RefusedError(
                f"{os.uname().nodename} does not see {self.root}; put PHASEHUB_STATE on a folder "
                "that all nodes share"
            )

    def image_is_right(self) -> None:
        """Spare later jobs the look."""
        part = self._stamp.with_name(f".{self._stamp.name}.{os.getpid()}.{os.uname().nodename}")
        with suppress(OSError):
            part.write_text(self.image["packages_sha256"], "ascii")
            part.replace(self._stamp)

    def variables(self) -> dict[str, str]:
        """The job's whole environment: the image's, and then the plan's."""
        of_image = [*(self.image["environment"] or [PATH])]
        named = dict(one.partition("=")[::2] for one in of_image)
        return {**named, **self.isolation.environment}

    def exactly(self, command: Sequence[str]) -> Sequence[str]:
        """A command with the job's environment, and nothing of what a runtime puts into it."""
        words = (f"{name}={text}" for name, text in self.variables().items())
        return ["/usr/bin/env", "-i", *words, *command]
