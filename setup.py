"""What pyproject.toml cannot say: a wheel has ``runner/`` and ``models/`` inside of ``phasehub/``.

So that nothing but ``phasehub`` is added to what a user can import. See docs/adr/0013.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

BUNDLED = ("runner", "models")
"""Folders that ``phasehub/__main__.py`` finds in ``phasehub/sources``, beside the Dockerfile."""


def bundled() -> list[str]:
    """The files that are bundled, from here."""
    files = [path for name in BUNDLED for path in Path(name).rglob("*") if path.is_file()]
    sources = [path for path in files if "__pycache__" not in path.parts]
    return [*sorted(map(str, sources)), "Dockerfile"]


class BuildWithBundle(build_py):
    """Builds the package and puts the sources into it; an editable one uses them where they lie."""

    def run(self) -> None:
        """Build into an empty folder: what an earlier build left there would be installed, too."""
        if self.editable_mode:
            super().run()
            return
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        for name in bundled():
            target = Path(self._bundle(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(name, target)

    def get_source_files(self) -> list[str]:
        """Also what an archive of the sources needs."""
        return [*super().get_source_files(), *bundled()]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Also what is bundled."""
        files = [] if self.editable_mode else [self._bundle(name) for name in bundled()]
        return [*super().get_outputs(include_bytecode), *files]

    def _bundle(self, name: str) -> str:
        return str(Path(self.build_lib, "phasehub", "sources", name))


setup(cmdclass={"build_py": BuildWithBundle})
