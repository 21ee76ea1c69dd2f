"""A hub as a bag: BagIt 1.0 (RFC 8493), which libraries and repositories take in.

The hub lies under ``data/``, byte for byte. Nothing in a bag depends on when or where it was made.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from runner.core.digest import entries, sha256_bytes, sha256_file
from runner.core.errors import EngineError, VerificationError
from runner.core.files import remove_tree
from runner.hub import layout
from runner.hub.checksums import CHECKSUMS, compare_checksums, digest_all

DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


def write_bag(folder: Path, target: Path) -> Path:
    """Make a bag of a sealed hub in the new folder ``target``, whole or not at all; its path.

    Raises:
        VerificationError: the hub is not as it was sealed.
        EngineError: ``target`` exists or cannot be written.
    """
    if not (found := compare_checksums(folder)).intact:
        raise VerificationError(found.describe())
    if target.exists():
        raise EngineError(f"{target} exists already; move it away, or give another name with -o")
    part = target.with_name(f".{target.name}.part")
    try:
        remove_tree(part)
        shutil.copytree(folder, part / "data")
        _write_tags(folder, part)
        part.rename(target)
    except OSError as error:
        raise EngineError(f"{target} cannot be written: {error}; give another with -o") from error
    finally:
        remove_tree(part)
    return target


def _write_tags(folder: Path, bag: Path) -> None:
    """The declaration, what the bag is, and the manifests of its payload and of its tags."""
    record = layout.read(folder)
    payload = {f"data/{path.as_posix()}": bag / "data" / path for path in entries(bag / "data")}
    size = sum(file.stat().st_size for file in payload.values())
    digests = digest_all(list(payload.values()))
    tags = {
        "bagit.txt": DECLARATION,
        "bag-info.txt": "".join(
            f"{name}: {value}\n"
            for name, value in (
                ("External-Identifier", f"{record.phase}/{folder.resolve().name}"),
                ("External-Description", f"phasehub hub, {CHECKSUMS} {_digest(folder)}"),
                ("Bagging-Date", record.ended[:10]),
                ("Bag-Software-Agent", "phasehub"),
                ("Payload-Oxum", f"{size}.{len(payload)}"),
            )
        ),
        "manifest-sha256.txt": "".join(
            f"{digest}  {_spelled(path)}\n" for path, digest in zip(payload, digests, strict=True)
        ),
    }
    tags["tagmanifest-sha256.txt"] = "".join(
        f"{sha256_bytes(text.encode())}  {name}\n" for name, text in tags.items()
    )
    for name, text in tags.items():
        (bag / name).write_text(text, encoding="utf-8")


def _digest(folder: Path) -> str:
    return sha256_file(folder / CHECKSUMS)


def _spelled(path: str) -> str:
    """A path as a manifest has it: a percent sign is written %25 (RFC 8493, 2.1.3)."""
    return path.replace("%", "%25")
