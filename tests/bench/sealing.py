"""Sealing and verifying 1 GiB against `sha256sum` on the same files."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from runner import hub
from tests.bench.pairs import compare

FILES, BYTES = 16, 64 * 2**20


def measure() -> None:
    """Print seconds to seal, and to verify, beside the system's own tool."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        root = Path(folder)
        source = root / "files"
        source.mkdir()
        for index in range(FILES):
            (source / f"{index}.bin").write_bytes(os.urandom(BYTES))
        sealed: list[Path] = []

        def seal() -> None:
            staging = hub.stage(root / "artifacts", "bench", datetime.now(UTC))
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
            ("phasehub verify", lambda: hub.verify(sealed[0])),
            (
                "sha256sum -c SHA256SUMS",
                lambda: subprocess.run(
                    ["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=sealed[0], check=True
                ),
            ),
            rounds=3,
        )
