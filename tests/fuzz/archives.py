"""Archives of strangers: changed in the index, in headers, members, and frames; then restored."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from backports import zstd

from tests.fuzz.folders import digests, files_of, put, reseal
from tests.fuzz.outcome import Case, Finding, command, leaks
from tests.fuzz.seeds import Seed
from tests.fuzz.values import STRINGS, dumped, mutate, shown
from tests.fuzz.watch import Watch

BLOCK = 512
END = bytes(2 * BLOCK)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A member as it stands in the tar."""

    path: str
    content: bytes
    header: bytes | None = None
    """In place of the right one."""
    padding: bytes | None = None

    @property
    def block(self) -> bytes:
        """Header, content, padding."""
        head = header(self.path, len(self.content)) if self.header is None else self.header
        rest = bytes(-len(self.content) % BLOCK) if self.padding is None else self.padding
        return head + self.content + rest


def header(path: str, length: int, **facts: Any) -> bytes:
    """A tar header; ``facts`` are attributes of ``TarInfo``."""
    info = tarfile.TarInfo(path)
    info.size, info.mode = length, 0o644
    for name, value in facts.items():
        setattr(info, name, value)
    try:
        return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")
    except ValueError:
        return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def members_of(folder: Path, name: str) -> list[Part]:
    """The files of a hub as members, in the order of an archive."""
    return [
        Part(path=f"hub/{one}", content=(folder / one).read_bytes())
        for one in sorted(files_of(folder), key=os.fsencode)
        if (folder / one).stat().st_size < 10**7
    ]


def index_of(members: list[Part], name: str) -> dict[str, Any]:
    """The table of contents of members."""
    sums = next((one.content for one in members if one.path == "hub/SHA256SUMS"), b"")
    return {
        "schema_version": 1,
        "name": name,
        "hub_sha256": hashlib.sha256(sums).hexdigest(),
        "members": [
            {
                "path": one.path.encode("utf-8", "replace").decode(),
                "bytes": len(one.content),
                "sha256": hashlib.sha256(one.content).hexdigest(),
            }
            for one in members
        ],
    }


def write(members: list[Part], file: Path, name: str, index: bytes | None = None) -> None:
    """An archive of members."""
    content = dumped(index_of(members, name)) if index is None else index
    parts = [Part(path="index.json", content=content), *members]
    file.write_bytes(zstd.compress(b"".join(one.block for one in parts) + END, level=1))


def small(seed: Seed, folder: Path) -> Seed:
    """A hub of few files, sealed anew, so that an archive takes little time."""
    kept = ("hub.json", "SHA256SUMS", "manifest.toml", "plan.json", "README.md")
    for name in seed.digests:
        if name in kept or name.startswith(("arms/one/", "dataset/")):
            put(folder / name, (seed.folder / name).read_bytes())
    reseal(folder, seed.digests)
    return Seed(folder)


def judge(seeds: list[Seed], below: Path) -> Callable[[Case, Watch], Iterator[Finding]]:
    """The target over a slim copy of the first hub."""
    few = small(seeds[-1], below / "few" / seeds[-1].name)
    honest = members_of(few.folder, few.name)

    def run(case: Case, watch: Watch) -> Iterator[Finding]:
        yield from restored(case, watch, _forged(case, honest, few.name))

    return run


def restored(case: Case, watch: Watch, content: bytes) -> Iterator[Finding]:
    """An archive, restored: what must be refused leaves nothing, what is taken is as sealed."""
    file = case.work / "x.phasehub.tar.zst"
    file.write_bytes(content)
    case.names = (file.name, "out/artifacts")
    words = ["restore", str(file), "--out", "out/artifacts", "--limit-gib", "0.02"]
    answer = command(case, watch, words)
    yield from answer.findings
    yield from leaks(case.out)
    if answer.code == 0:
        yield from _unlike(case, answer.out.strip())
    elif any(case.out.rglob("*.*")):
        yield Finding(kind="wrong", told="something is left of an archive that was refused")


def _unlike(case: Case, said: str) -> Iterator[Finding]:
    """What is wrong with a hub that was given back."""
    hub = Path(said.splitlines()[-1]) if said else case.out
    found = digests(hub)
    text = (
        (hub / "SHA256SUMS").read_text(errors="replace") if (hub / "SHA256SUMS").is_file() else ""
    )
    listed = {line[66:]: line[:64] for line in text.splitlines()}
    apart = {"SHA256SUMS", "SHA256SUMS.sig"}
    if listed != {name: one for name, one in found.items() if name not in apart}:
        yield Finding(kind="wrong", told="restore gave back a hub that is not as it was sealed")


# --- forging -------------------------------------------------------------------------------------


def _forged(case: Case, honest: list[Part], name: str) -> bytes:
    random = case.random
    kind = random.choice(tuple(FORGERIES))
    case.done.append(kind)
    return FORGERIES[kind](case, list(honest), name)


def _tar(parts: list[Part], index: bytes, end: bytes = END, **facts: Any) -> bytes:
    first = Part(path="index.json", content=index, **facts)
    return b"".join(one.block for one in (first, *parts)) + end


def _packed(content: bytes, random: Random) -> bytes:
    return zstd.compress(content, level=random.choice((1, 1, 3)))


def _index(case: Case, parts: list[Part], name: str) -> bytes:
    """The index says something else than what follows."""
    table: Any = index_of(parts, name)
    known = tuple(one.path for one in parts[:20])
    for _ in range(case.random.choice((1, 1, 2))):
        table, told = mutate(table, case.random, known)
        case.done.append(told)
    return _packed(_tar(parts, dumped(table)), case.random)


def _name(case: Case, parts: list[Part], name: str) -> bytes:
    """The hub is called otherwise; phases of the record follow or not."""
    new = case.random.choice(
        (*STRINGS, "tiny/../../x", "../2026-01-30T050000Z", "Tiny/2026-01-30T050000Z")
    )
    if case.random.random() < 0.5:
        new = f"{new}/2026-01-30T050000Z"
    case.done.append(shown(new))
    return _packed(_tar(parts, dumped(index_of(parts, new))), case.random)


def _parsed(part: Part) -> object:
    """The JSON in a member; nothing where it is none, or is none any more."""
    try:
        return json.loads(part.content) if part.path.endswith(".json") else None
    except (ValueError, RecursionError):
        return None


def _member(case: Case, parts: list[Part], name: str) -> bytes:
    """A member is another file, with its digests in the index brought up to date or not."""
    random = case.random
    before = index_of(parts, name)
    for _ in range(random.choice((1, 1, 3))):
        at = random.randrange(len(parts))
        old = parts[at]
        value = _parsed(old) if random.random() < 0.7 else None
        if value is not None:
            value, told = mutate(value, random)
            new = dumped(value)
        else:
            cut = random.randrange(len(old.content) + 1)
            new, told = old.content[:cut] + random.randbytes(random.choice((0, 1, 600))), "cut"
        case.done.append(f"{old.path}: {told}")
        parts[at] = replace(old, content=new)
    if random.random() < 0.7:
        parts = _with_sums(parts)
    index = before if random.random() < 0.2 else index_of(parts, name)
    return _packed(_tar(parts, dumped(index)), random)


def _with_sums(parts: list[Part]) -> list[Part]:
    lines = "".join(
        f"{hashlib.sha256(one.content).hexdigest()}  {one.path[4:]}\n"
        for one in parts
        if one.path.startswith("hub/") and one.path != "hub/SHA256SUMS"
    )
    return [
        replace(one, content=lines.encode("utf-8", "surrogateescape"))
        if one.path == "hub/SHA256SUMS"
        else one
        for one in parts
    ]


def _order(case: Case, parts: list[Part], name: str) -> bytes:
    """Members dropped, doubled, moved, added; the index follows or not."""
    random = case.random
    before = index_of(parts, name)
    at = random.randrange(len(parts))
    told = random.choice(("dropped", "doubled", "moved", "added", "all dropped"))
    if told == "dropped":
        del parts[at]
    elif told == "doubled":
        parts.insert(random.randrange(len(parts)), parts[at])
    elif told == "moved":
        parts.insert(random.randrange(len(parts)), parts.pop(at))
    elif told == "added":
        path = random.choice(
            (*STRINGS, "dataset/x", "image/image.tar", "hub/../../x", "hub/x", "index.json")
        )[:3000]
        prefix = random.choice(("", "hub/", "dataset/"))
        parts.append(
            Part(
                path=prefix + path.replace("\x00", "0").encode("utf-8", "replace").decode(),
                content=b"new",
            )
        )
        case.done.append(shown(prefix + path))
    else:
        parts = []
    case.done.append(f"{told} {at}")
    index = before if random.random() < 0.4 else index_of(parts, name)
    return _packed(_tar(parts, dumped(index)), random)


def _header(case: Case, parts: list[Part], name: str) -> bytes:
    """A header is of another kind, or says another name or size; its checksum is right."""
    random = case.random
    index = dumped(index_of(parts, name))
    facts = random.choice(
        (
            {"type": random.choice((tarfile.SYMTYPE, tarfile.LNKTYPE)), "linkname": "/etc/passwd"},
            {
                "type": random.choice(
                    (
                        tarfile.CHRTYPE,
                        tarfile.FIFOTYPE,
                        tarfile.DIRTYPE,
                        b"L",
                        b"K",
                        b"x",
                        b"g",
                        b"S",
                        b"\x00",
                    )
                )
            },
            {"mode": 0o4755},
            {"size": random.choice((0, 1, 2**33, 8**11 - 1, 10**6))},
            {"uid": 7, "gname": "root"},
            {"mtime": 10**9},
            {
                "name": random.choice(
                    ("../../x", "/etc/x", "hub/../x", "\x1b[2J", "hub/" + "x" * 90)
                )
            },
        )
    )
    at = random.randrange(-1, len(parts))
    path, size = ("index.json", len(index)) if at < 0 else (parts[at].path, len(parts[at].content))
    block = header(path, size, **facts)
    if random.random() < 0.2:
        raw = bytearray(block[:BLOCK])
        raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)
        block = bytes(raw)
    case.done.append(f"{path}: {facts}")
    if at < 0:
        return _packed(_tar(parts, index, header=block), random)
    parts[at] = replace(parts[at], header=block)
    return _packed(_tar(parts, index), random)


def _padding(case: Case, parts: list[Part], name: str) -> bytes:
    """Something is hidden between, behind, or missing at the end."""
    random = case.random
    index = dumped(index_of(parts, name))
    end = random.choice(
        (
            END,
            b"",
            bytes(BLOCK),
            END + END,
            END + b"x",
            END[:-1],
            parts[0].block + END,
            random.randbytes(1024),
        )
    )
    at = random.randrange(len(parts))
    if random.random() < 0.5:
        size = -len(parts[at].content) % BLOCK
        parts[at] = replace(
            parts[at], padding=random.choice((b"", random.randbytes(size), bytes(BLOCK + size)))
        )
    return _packed(_tar(parts, index, end), random)


def _frames(case: Case, parts: list[Part], name: str) -> bytes:
    """Frames of Zstandard: several, empty, skippable, cut, with bits flipped, of huge windows."""
    random = case.random
    whole = _tar(parts, dumped(index_of(parts, name)))
    packed = zstd.compress(whole, level=1)
    cut = random.randrange(len(whole))
    flipped = bytearray(packed)
    for _ in range(random.choice((1, 2, 20))):
        flipped[
            random.randrange(len(flipped) if random.random() < 0.5 else min(40, len(flipped)))
        ] ^= 1 << random.randrange(8)
    skippable = struct.pack("<II", 0x184D2A50 + random.randrange(16), 100) + random.randbytes(100)
    return random.choice(
        (
            bytes(flipped), bytes(flipped), packed[: random.randrange(len(packed))],
            zstd.compress(whole[:cut]) + zstd.compress(whole[cut:]), skippable + packed,
            packed + skippable, packed + packed, zstd.compress(b"") * 2000 + packed, b"",
            b"\x28\xb5\x2f\xfd", whole, skippable * 1000,
            struct.pack("<II", 0x184D2A50, 2**32 - 1) + b"x", packed + b"rest",
            _wide(whole, random), b"\x1f\x8b" + packed, bytes(1000),
        )
    )  # fmt: skip


def _wide(whole: bytes, random: Random) -> bytes:
    """A frame that asks for much memory."""
    packer = zstd.ZstdCompressor(level=1)
    frame = bytearray(packer.compress(whole) + packer.flush())
    log = random.choice((26, 27, 28, 30, 31, 41))
    frame[5] = log - 10 << 3  # the sixth byte tells the window where the size is not told
    return bytes(frame)


def _bomb(case: Case, parts: list[Part], name: str) -> bytes:
    """Little that unpacks to much: an index, a member, or an index of very many members."""
    random = case.random
    told = random.choice(("index", "member", "members", "deep", "end"))
    case.done.append(told)
    if told == "index":
        size = random.choice((32 * 2**20, 32 * 2**20 + 1, 2**31))
        packer = zstd.ZstdCompressor(level=1)
        blocks = [packer.compress(header("index.json", size))]
        blocks += [packer.compress(b" " * 2**20) for _ in range(min(size // 2**20, 64))]
        return b"".join(blocks) + packer.flush()
    if told == "member":
        parts.append(Part(path="hub/zeros", content=bytes(25 * 2**20)))
        table = index_of(parts, name)
        table["members"][-1]["bytes"] = random.choice((25 * 2**20, 2**40, 2**63, 10**19, 3))
        return _packed(_tar(parts, dumped(table)), random)
    if told == "members":
        table = index_of(parts, name)
        table["members"] += [
            {"path": f"hub/{n}/x", "bytes": 0, "sha256": "0" * 64}
            for n in range(random.choice((2_000, 60_000)))
        ]
        return _packed(_tar(parts, dumped(table)), random)
    if told == "deep":
        deep = "[" * 10**6 if random.random() < 0.5 else '{"schema_version":' * 10**5
        return _packed(_tar(parts, deep.encode()), random)
    return _packed(_tar(parts, dumped(index_of(parts, name)), bytes(64 * 2**20)), random)


FORGERIES: dict[str, Callable[[Case, list[Part], str], bytes]] = {
    "index": _index,
    "name": _name,
    "member": _member,
    "order": _order,
    "header": _header,
    "padding": _padding,
    "frames": _frames,
    "bomb": _bomb,
}
