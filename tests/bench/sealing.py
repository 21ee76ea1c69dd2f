"""Sealing, verifying, archiving and restoring 1 GiB beside the system's own tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from runner.archive import pack, unpack
from runner.core.files import remove_tree
from runner.hub import layout
from tests.bench.pairs import compare

FILES, BYTES = 16, 64 * 2**20


def measure() -> None:
    """Print seconds of each beside those of `sha256sum`, and of `tar` and `zstd`."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        root = Path(folder)
        source = root / "files"
        source.mkdir()
        for index in range(FILES):
            (source / f"{index}.bin").write_bytes(os.urandom(BYTES))
        sealed: list[Path] = []

        def seal() -> None:
            staging = layout.stage(root / "artifacts", "bench", datetime.now(UTC))
            for file in source.iterdir():
                os.link(file, staging.path / file.name)
            sealed.append(staging.seal())
            if len(sealed) > 1:
                shutil.rmtree(sealed.pop(0))

        def sha256sum() -> None:
            names = sorted(file.name for file in source.iterdir())
            with (root / "SUMS").open("wb") as out:
                subprocess.run(["sha256sum", *names], cwd=source, stdout=out, check=True)

        size = f"{FILES} files, {FILES * BYTES / 2**30:g} GiB"
        compare(
            f"Sealing {size}: checksums, read-only, fsync, rename",
            ("phasehub seal", seal),
            ("sha256sum > SHA256SUMS", sha256sum),
            rounds=3,
        )
        compare(
            f"Verifying {size}",
            ("phasehub verify", lambda: layout.verify(sealed[0])),
            (
                "sha256sum -c SHA256SUMS",
                lambda: subprocess.run(
                    ["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=sealed[0], check=True
                ),
            ),
            rounds=3,
        )
        measure_archives(size, root, sealed[0])


def measure_archives(size: str, root: Path, sealed: Path) -> None:
    """The same for an archive and its restoration, both with every file compared."""
    archive, unpacked = root / "a.tar.zst", root / "unpacked"

    def archive_it() -> None:
        archive.unlink(missing_ok=True)
        pack(sealed, [], archive)

    def by_tar() -> None:
        script = "sha256sum --quiet -c SHA256SUMS && tar -c . | zstd -q -9 -T0 -f -o ../../../b.zst"
        subprocess.run(["sh", "-c", f"{script} && sync ../../../b.zst"], cwd=sealed, check=True)

    def restore_it() -> None:
        remove_tree(unpacked)
        unpack(archive, unpacked)

    def by_untar() -> None:
        remove_tree(root / "by_tar")
        script = "mkdir by_tar && cd by_tar && zstd -q -d -c ../b.zst | tar -x"
        script += " && sync * && sha256sum --quiet -c SHA256SUMS"
        subprocess.run(["sh", "-c", script], cwd=root, check=True)

    compare(
        f"Archiving {size} that cannot be compressed, checked first",
        ("phasehub archive", archive_it),
        ("sha256sum -c, tar | zstd -9 -T0, sync", by_tar),
        rounds=3,
    )
    compare(
        f"Restoring {size}",
        ("phasehub restore", restore_it),
        ("zstd -d | tar -x, sync, sha256sum -c", by_untar),
        rounds=3,
    )
