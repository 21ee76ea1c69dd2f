"""Bring ``docs/study`` up to date: everything is read and made first, then written at once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from runner.core.errors import StudyError
from runner.hub import layout
from runner.hub.checksums import CHECKSUMS
from runner.manifest.findings import Register, load_register
from runner.study.evidence import judge
from runner.study.markers import block, has_blocks, replaced
from runner.study.pages import HISTORY, INDEX, study_blocks
from runner.study.phases import phases_of, read_manifests
from runner.study.settings import read_settings
from runner.study.store import HUBS, Store, combined, kept_name, read_sealed, read_store

TITLES = {INDEX: "# The study", HISTORY: "# History of attempts"}
"""What a page begins with that is not there yet."""
NO_FINDINGS = Register(schema_version=1, findings=())


def sync(hubs: Sequence[Path], *, artifacts: Path, docs: Path) -> list[Path]:
    """Make the pages of a study from sealed hubs; the paths that were written or removed.

    Args:
        hubs: Folders of sealed hubs; where there are none, the newest of each phase and profile
            below ``artifacts``, all that were begun under a registration, and all of its seeds.
        artifacts: Where hubs are; may be missing, as on another machine.
        docs: The folder that holds ``study``; the manifests lie beside it.

    Raises:
        RunnerError: A hub is not as it was sealed, or a page, a manifest or the register is at
            fault. Nothing is written then.
    """
    if not docs.is_dir():
        raise StudyError(f"{docs}: no such folder; give the folder of the pages with --docs")
    study = docs / "study"
    store = _updated(study, hubs or wanted_hubs(artifacts))
    wanted = {**_files(store), **_pages(study, store, docs)}
    return _write(study, wanted)


def wanted_hubs(artifacts: Path) -> list[Path]:
    """The newest sealed hub of each phase and profile, and the newest whole one where it is not.

    Of hubs that were begun under a registration all, as none is worth more for being new; and all
    that ran a seed that one of them registers, as it may have been run before.
    """
    newest: dict[tuple[str, str | None, bool], Path] = {}
    registered: list[Path] = []
    ran: dict[Path, set[int]] = {}
    seeds: set[int] = set()
    for path in layout.find_hubs(artifacts):
        record = layout.read(path)
        ran[path] = {arm.seed for arm in record.arms if arm.status != "not_run"}
        seeds.update(*(one.plan.seeds for one in record.registered))
        variant = (record.phase, record.profile)
        registered += [path] if record.registered else []
        if not record.set_knobs:
            newest[(*variant, False)] = path
        if not (record.interrupted or record.only or record.set_knobs):
            newest[(*variant, True)] = path
    before = [path for path, own in ran.items() if own & seeds]
    return sorted({*newest.values(), *registered, *before})


def _updated(study: Path, hubs: Iterable[Path]) -> Store:
    sealed = [read_sealed(path) for path in hubs]
    store = read_store(study, but=[one.key for one in sealed])
    return combined(store, sealed, study, read_settings(study).hubs.most_bytes)


def _files(store: Store) -> dict[Path, bytes]:
    """The files of all hubs by their paths below the study; the digests of each come last."""
    return {
        Path(one.folder, kept_name(path)): content
        for one in store.values()
        for path, content in sorted(one.files.items(), key=lambda file: file[0] == CHECKSUMS)
    }


def _pages(study: Path, store: Store, docs: Path) -> dict[Path, bytes]:
    """The pages by their paths below the study, with all that people wrote on them."""
    register = study / "findings.toml"
    findings = (load_register(register) if register.exists() else NO_FINDINGS).findings
    phases = phases_of(store, read_manifests(docs.parent / "manifests"), findings)
    judged = [judge(finding, store.values()) for finding in findings]
    blocks = study_blocks(phases, judged, store, place=f"{docs.name}/study")
    _refuse_orphans(study, blocks)
    return {Path(name): _page(study / name, contents) for name, contents in blocks.items()}


def _page(path: Path, contents: Mapping[str, str]) -> bytes:
    if path.exists():
        with path.open(encoding="utf-8", newline="") as stream:
            return replaced(path, stream.read(), contents).encode()
    title = [f"{TITLES[path.name]}\n"] if path.name in TITLES else []
    return "\n".join([*title, *(block(*item) for item in contents.items())]).encode()


def _refuse_orphans(study: Path, blocks: Mapping[str, object]) -> None:
    """A generated page of which nothing is known would keep its old text for ever."""
    for path in sorted(study.glob("*.md")):
        if path.name not in blocks and has_blocks(path.read_text(encoding="utf-8")):
            raise StudyError(
                f"{path}: generated, but there is neither a manifest nor a hub of {path.stem}; "
                "delete the page, or take its markers out"
            )


def _write(study: Path, wanted: Mapping[Path, bytes]) -> list[Path]:
    """Write what differs, and remove files of hubs that are not to be kept."""
    changed = []
    for name, content in wanted.items():
        path = study / name
        if not path.exists() or path.read_bytes() != content:
            _replace(path, content)
            changed.append(path)
    for path in _superfluous(study, wanted):
        path.unlink()
        changed.append(path)
    return changed


def _superfluous(study: Path, wanted: Mapping[Path, bytes]) -> Iterator[Path]:
    folders = {Path(*name.parts[:3]) for name in wanted if name.parts[0] == HUBS}
    for folder in sorted(folders):
        for path in sorted((study / folder).rglob("*")):
            if path.is_file() and path.relative_to(study) not in wanted:
                yield path


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
