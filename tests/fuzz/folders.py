"""Folders of files: copied cheaply, changed in ways that no honest sender would, sealed anew."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

CHECKSUMS = "SHA256SUMS"
APART = (CHECKSUMS, f"{CHECKSUMS}.sig")
HOLE_BYTES = 300 * 2**20
"""Of a file that takes no room on the disk: more than any file that a hub's readers may take in."""
ODD_NAMES = (
    b"\n", b"a\nb", b"\x1b[31mred", b"a\\b", b"\xff\xfe", b"e\xcc\x81", b" ", b"-rf", b"x" * 255,
    "\u202egnp.exe".encode(), b"\x00"[:0] + b"hub.json ", b"HUB.JSON", b"SHA256SUMS.bak", b"~",
    b"*",
    b"%2e%2e", b"con", b"..."
)  # fmt: skip


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder by links: files that are changed must be replaced, not written into."""
    for folder, _, names in os.walk(source):
        here = os.fspath(target) + folder[len(os.fspath(source)) :]
        os.makedirs(here)
        for name in names:
            os.link(f"{folder}/{name}", f"{here}/{name}")


def put(path: Path, content: bytes) -> None:
    """Write a file in place of whatever lies there."""
    remove(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def remove(path: Path) -> None:
    """Remove whatever lies there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def files_of(root: Path) -> list[str]:
    """Paths of the regular files below ``root``, sorted."""
    return sorted(
        os.path.join(folder, name)[len(os.fspath(root)) + 1 :]
        for folder, _, names in os.walk(root)
        for name in names
        if stat.S_ISREG(os.lstat(os.path.join(folder, name)).st_mode)
    )


# --- what is done to a file ----------------------------------------------------------------------


def spoil(root: Path, name: str, random: Random, secret: Path) -> str:
    """Do something to the file ``name`` below ``root``; what was done."""
    path = root / name
    kind = random.choice(KINDS)
    KIND_DOES[kind](path, random, secret)
    return f"{name}: {kind}"


def _missing(path: Path, random: Random, secret: Path) -> None:
    remove(path)


def _empty(path: Path, random: Random, secret: Path) -> None:
    put(path, b"")


def _folder(path: Path, random: Random, secret: Path) -> None:
    remove(path)
    path.mkdir()
    if random.random() < 0.5:
        (path / path.name).write_bytes(b"{}")


def _pipe(path: Path, random: Random, secret: Path) -> None:
    remove(path)
    os.mkfifo(path)


def _device(path: Path, random: Random, secret: Path) -> None:
    remove(path)
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        os.mkfifo(path)


def _socket(path: Path, random: Random, secret: Path) -> None:
    remove(path)
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path has room for 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name[:100])
    finally:
        os.chdir(here)


def _link(target: str):
    def make(path: Path, random: Random, secret: Path) -> None:
        remove(path)
        path.symlink_to(target.format(secret=secret, name=path.name))

    return make


def _moved_link(path: Path, random: Random, secret: Path) -> None:
    """A link to the very bytes, lying outside."""
    content = path.read_bytes() if path.is_file() else b"{}"
    outside = secret.parent / "outside" / f"moved-{random.randrange(10**6)}"
    outside.write_bytes(content)
    remove(path)
    path.symlink_to(outside)


def _linked_folder(path: Path, random: Random, secret: Path) -> None:
    """The folder that the file lies in is a link to one outside with the same files."""
    folder = path.parent
    outside = secret.parent / "outside" / f"folder-{random.randrange(10**6)}"
    shutil.move(folder, outside)
    folder.symlink_to(outside)


def _cut(path: Path, random: Random, secret: Path) -> None:
    content = path.read_bytes()
    put(path, content[: random.randrange(len(content) + 1)])


def _flipped(path: Path, random: Random, secret: Path) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(random.choice((1, 1, 2, 8, 100))):
        if content:
            content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    put(path, bytes(content))


def _spliced(path: Path, random: Random, secret: Path) -> None:
    """A stretch of bytes is repeated, removed, or replaced by rubbish."""
    content = path.read_bytes()
    start = random.randrange(len(content) + 1)
    end = min(len(content), start + random.choice((1, 3, 20, 500)))
    middle = random.choice(
        (
            b"",
            content[start:end] * 2,
            content[start:end] * 50,
            random.randbytes(20),
            b"\x00",
            b"\x1b[2J",
        )
    )
    put(path, content[:start] + middle + content[end:])


def _hole(path: Path, random: Random, secret: Path) -> None:
    content = path.read_bytes()
    put(path, content)
    os.truncate(path, HOLE_BYTES)


def _blanks(path: Path, random: Random, secret: Path) -> None:
    put(path, path.read_bytes() + b" " * 3_000_000)


def _bom(path: Path, random: Random, secret: Path) -> None:
    put(path, b"\xef\xbb\xbf" + path.read_bytes())


def _utf16(path: Path, random: Random, secret: Path) -> None:
    put(path, path.read_bytes().decode("latin-1").encode("utf-16"))


def _odd_neighbour(path: Path, random: Random, secret: Path) -> None:
    name = os.fsdecode(random.choice(ODD_NAMES))
    _write(path.parent / name, b"{}")


def _deep_neighbour(path: Path, random: Random, secret: Path) -> None:
    """Folders in folders, deeper than a path may be long."""
    depth = random.choice((10, 120, 1_200))
    here = os.open(path.parent, os.O_RDONLY)
    for _ in range(depth):
        with suppress(FileExistsError):
            os.mkdir("deeper", dir_fd=here)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)


def _many_neighbours(path: Path, random: Random, secret: Path) -> None:
    for number in range(random.choice((20, 1_500))):
        _write(path.parent / f"more-{number}.json", b"{}")


def _renamed(path: Path, random: Random, secret: Path) -> None:
    name = os.fsdecode(random.choice(ODD_NAMES)) or "x"
    _move(path, path.with_name(name))


def _renamed_folder(path: Path, random: Random, secret: Path) -> None:
    folder = path.parent
    _move(folder, folder.with_name(os.fsdecode(random.choice(ODD_NAMES))))


def _write(path: Path, content: bytes) -> None:
    if not os.path.lexists(path):
        path.write_bytes(content)


def _move(source: Path, target: Path) -> None:
    if not os.path.lexists(target):
        source.rename(target)


KIND_DOES = {
    "missing": _missing,
    "empty": _empty,
    "a folder": _folder,
    "a pipe": _pipe,
    "a device": _device,
    "a socket": _socket,
    "a link to /dev/zero": _link("/dev/zero"),
    "a link to a file outside": _link("{secret}"),
    "a link to itself": _link("{name}"),
    "a dangling link": _link("nowhere"),
    "a link to its bytes outside": _moved_link,
    "its folder is a link": _linked_folder,
    "cut": _cut,
    "bits flipped": _flipped,
    "spliced": _spliced,
    "a hole": _hole,
    "blanks": _blanks,
    "a byte order mark": _bom,
    "UTF-16": _utf16,
    "an odd neighbour": _odd_neighbour,
    "deep neighbours": _deep_neighbour,
    "many neighbours": _many_neighbours,
    "another name": _renamed,
    "another name of its folder": _renamed_folder,
}
OFTEN = {"cut": 4, "bits flipped": 4, "spliced": 5, "missing": 3, "empty": 2}
KINDS = [kind for kind in KIND_DOES for _ in range(OFTEN.get(kind, 1))]


# --- the seal ------------------------------------------------------------------------------------


def digests(root: Path, known: Mapping[int, str] = {}) -> dict[str, str]:
    """SHA-256 of every regular file below ``root`` by its path.

    ``known`` has those of inodes: a copy that nobody changed is a link to the original.
    """
    return {name: _digest(f"{root}/{name}", known) for name in files_of(root)}


def inodes(root: Path, listed: Mapping[str, str]) -> dict[int, str]:
    """Digests by inode, of files that nobody writes into."""
    return {os.stat(f"{root}/{name}").st_ino: digest for name, digest in listed.items()}


def _digest(path: str, known: Mapping[int, str]) -> str:
    facts = os.stat(path)
    if facts.st_ino in known:
        return known[facts.st_ino]
    if facts.st_size == HOLE_BYTES:  # nobody waits for that twice
        return "0" * 64
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reseal(root: Path, before: dict[str, str], known: Mapping[int, str] = {}) -> None:
    """Bring everything that speaks of a hub's files up to date, as a forger would.

    ``before`` has the digests that the hub was sealed with. Digests are replaced wherever they are
    written, sizes in ``hub.json`` and ``result.json``; then ``SHA256SUMS`` is written anew.
    """
    now = {name: digest for name, digest in digests(root, known).items() if name not in APART}
    changed = {
        before[name]: now[name] for name in before.keys() & now.keys() if before[name] != now[name]
    }
    _replace_models_digest(root, before, now, changed)
    order = ("result.json", "job.json", "provenance.json", "ro-crate-metadata.json", "hub.json")
    same = before.keys() - set(APART) == now.keys()
    speaking = sorted(
        (name for name in now if name.rpartition("/")[2] in order),
        key=lambda name: (not name.startswith("compared/"), order.index(name.rpartition("/")[2])),
    )
    for name in speaking:
        _update(root, name, before, now, changed, same=same)
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(now.items()) if _plain(name))
    put(root / CHECKSUMS, lines.encode("utf-8", "surrogateescape"))


def _plain(name: str) -> bool:
    return "\n" not in name


def _replace_models_digest(
    root: Path, before: dict[str, str], now: dict[str, str], changed: dict[str, str]
) -> None:
    old, new = (tree_digest(listed, "code/models/") for listed in (before, now))
    if old != new:
        changed[old] = new


def tree_digest(listed: dict[str, str], prefix: str) -> str:
    """The digest of a folder from those of its files, as ``docs/hub.md`` has it."""
    inside = sorted(name for name in listed if name.startswith(prefix))
    text = "".join(f"{listed[name]}  {name[len(prefix) :]}\n" for name in inside)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _update(
    root: Path,
    name: str,
    before: dict[str, str],
    now: dict[str, str],
    changed: dict[str, str],
    *,
    same: bool,
) -> None:
    path = root / name
    content = path.read_bytes()
    if len(content) > 20 * 2**20:
        return
    new = content
    for old, digest in changed.items():
        new = new.replace(old.encode(), digest.encode())
    carried = name.startswith("compared/")  # what it speaks of lies elsewhere
    if (new != content or not same) and not carried:
        new = _with_lists(root, name, new, before, now)
    if new != content:
        put(path, new)
        now[name] = hashlib.sha256(new).hexdigest()
        if name in before:
            changed[before[name]] = now[name]


def _with_lists(
    root: Path, name: str, content: bytes, before: dict[str, str], now: dict[str, str]
) -> bytes:
    """Every list of files with the sizes as they are, without what is gone, with what is new."""
    try:
        table = json.loads(content, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return content
    if not isinstance(table, dict):
        return content
    prefix = name[: name.rfind("/") + 1]
    gone = {one[len(prefix) :] for one in before.keys() - now.keys() if one.startswith(prefix)}
    lost = set(before.values()) - set(now.values())
    sizes = {digest: os.stat(f"{root}/{one}").st_size for one, digest in now.items()}
    for one in _tables(table):
        for key, value in one.items():
            if isinstance(value, list):
                one[key] = [entry for entry in value if not _speaks_of(entry, gone, lost)]
        if isinstance(one.get("sha256"), str) and one["sha256"] in sizes and "bytes" in one:
            one["bytes"] = sizes[one["sha256"]]
    _append(table, name, [(new, now[new]) for new in sorted(now.keys() - before.keys())], sizes)
    try:
        return json.dumps(table, sort_keys=True).encode()
    except (ValueError, RecursionError, UnicodeError):
        return content


def _speaks_of(entry: object, gone: set[str], lost: set[str]) -> bool:
    """Whether an entry is of a file that is no longer there, by its path or by its digest."""
    if not isinstance(entry, dict):
        return False
    path = entry.get("path", entry.get("name"))
    digest = entry.get("sha256", entry.get("digest"))
    digest = digest.get("sha256") if isinstance(digest, dict) else digest
    if not (isinstance(path, str) and isinstance(digest, str)):
        return False
    return path in gone or digest in lost


def _append(
    table: dict[str, Any], name: str, new: list[tuple[str, str]], sizes: dict[str, int]
) -> None:
    """List new files where all are listed."""
    entries: dict[str, tuple[str, Callable[[str, str], dict[str, Any]]]] = {
        "hub.json": (
            "artifacts",
            lambda path, digest: {
                "path": path,
                "sha256": digest,
                "bytes": sizes[digest],
                "deterministic": False,
            },
        ),
        "provenance.json": (
            "subject",
            lambda path, digest: {"name": path, "digest": {"sha256": digest}},
        ),
        "ro-crate-metadata.json": (
            "@graph",
            lambda path, digest: {"@id": path, "@type": "File", "name": path, "sha256": digest},
        ),
    }
    key, spell = entries.get(name, ("", dict))
    if isinstance(table.get(key), list):
        table[key] += [spell(path, digest) for path, digest in new if path != "hub.json"]


def _tables(value: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            found.append(one)
            todo += one.values()
        elif isinstance(one, list):
            todo += one
    return found


def _refuse(word: str) -> None:
    raise ValueError(word)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)
