"""One file out of a hub and back: exact, deterministic, and unmoved by hostile archives."""

import io
import json
import os
import struct
import subprocess
import tarfile

import pytest
from backports import zstd

from runner.archive import Source, pack, unpack
from runner.archive.layout import END, header, padding
from runner.core.digest import entries
from runner.core.errors import VerificationError
from runner.hub.checksums import write_checksums

FILES = {
    "hub.json": b"{}\n",
    "arms/a/model.pt": bytes(range(256)) * 4096,
    "arms/a/empty.txt": b"",
    "arms/b/" + "long-name-" * 8 + ".json": b"[1]\n",
    "README.md": "ünïcode\n".encode(),
}


@pytest.fixture
def hub(tmp_path):
    folder = tmp_path / "artifacts" / "phase8" / "2026-01-30T050000Z"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    write_checksums(folder)
    return folder


@pytest.fixture
def archive(hub, tmp_path):
    path = tmp_path / "hub.tar.zst"
    pack(hub, [], path)
    return path


def contents(folder):
    return {path.as_posix(): (folder / path).read_bytes() for path in entries(folder)}


def plain(archive):
    return zstd.decompress(archive.read_bytes())


def compressed(path, content):
    path.write_bytes(zstd.compress(content))
    return path


def refused(archive, tmp_path, **limits):
    """The message of the refusal; sees that nothing is left behind."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(VerificationError) as error:
        unpack(archive, tmp_path / "restored", **limits)
    assert sorted(tmp_path.rglob("*")) == before
    return str(error.value)


def rebuilt(archive, change, *, members=None):
    """The archive with a changed index and, if given, other blocks behind it."""
    content = plain(archive)
    info = tarfile.TarInfo.frombuf(content[:512], "utf-8", "strict")
    index = json.loads(content[512 : 512 + info.size])
    rest = content[512 + info.size + len(padding(info.size)) :]
    change(index)
    text = json.dumps(index).encode()
    blocks = header("index.json", len(text)) + text + padding(len(text))
    return compressed(archive, blocks + (rest if members is None else members + END))


class TestRoundTrip:
    def test_what_was_packed_comes_back_byte_for_byte(self, hub, archive, tmp_path):
        index = unpack(archive, tmp_path / "restored")
        assert contents(tmp_path / "restored" / "hub") == contents(hub)
        assert index.name == "phase8/2026-01-30T050000Z"

    def test_the_hub_inside_passes_sha256sum(self, archive, tmp_path):
        unpack(archive, tmp_path / "restored")
        done = subprocess.run(
            ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"],
            cwd=tmp_path / "restored" / "hub", check=False,
        )  # fmt: skip
        assert done.returncode == 0

    def test_an_image_and_a_dataset_travel_with_it(self, hub, tmp_path):
        (tmp_path / "save.tar").write_bytes(b"layers")
        (tmp_path / "train.npz").write_bytes(b"arrays")
        extras = [
            Source(path="image/image.tar", file=tmp_path / "save.tar"),
            Source(path="dataset/train.npz", file=tmp_path / "train.npz"),
        ]
        index = pack(hub, extras, tmp_path / "all.tar.zst")
        unpack(tmp_path / "all.tar.zst", tmp_path / "restored")
        assert index.holds("image/image.tar")
        assert index.holds("dataset")
        assert (tmp_path / "restored/dataset/train.npz").read_bytes() == b"arrays"

    def test_tar_unpacks_it_too(self, hub, archive, tmp_path):
        (tmp_path / "plain.tar").write_bytes(plain(archive))
        (tmp_path / "by_tar").mkdir()
        subprocess.run(["tar", "-xf", "../plain.tar"], cwd=tmp_path / "by_tar", check=True)
        assert contents(tmp_path / "by_tar" / "hub") == contents(hub)

    def test_the_same_hub_gives_the_same_bytes_whatever_its_dates_and_modes(
        self, hub, archive, tmp_path
    ):
        for path in entries(hub):
            os.utime(hub / path, (1, 1))
            (hub / path).chmod(0o600)
        pack(hub, [], tmp_path / "again.tar.zst")
        assert plain(tmp_path / "again.tar.zst") == plain(archive)

    def test_the_members_are_sorted_belong_to_nobody_and_have_no_date(self, archive):
        with tarfile.open(fileobj=io.BytesIO(plain(archive))) as tar:
            members = tar.getmembers()
        names = [member.name for member in members]
        assert names == ["index.json", *sorted(names[1:])]
        assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", 0)}


class TestPackingRefuses:
    def test_a_hub_that_is_not_as_it_was_sealed(self, hub, tmp_path):
        (hub / "README.md").write_text("better")
        with pytest.raises(VerificationError, match=r"changed: README\.md"):
            pack(hub, [], tmp_path / "hub.tar.zst")
        assert not (tmp_path / "hub.tar.zst").exists()

    def test_to_overwrite(self, hub, archive):
        before = archive.read_bytes()
        with pytest.raises(FileExistsError):
            pack(hub, [], archive)
        assert archive.read_bytes() == before

    def test_a_path_that_no_header_can_hold(self, hub, tmp_path):
        (tmp_path / "x").write_bytes(b"")
        extra = Source(path="dataset/" + "x" * 300, file=tmp_path / "x")
        with pytest.raises(VerificationError, match="longer than 255 bytes"):
            pack(hub, [extra], tmp_path / "hub.tar.zst")


class TestRefuses:
    @pytest.mark.parametrize("kept", [0, 1, 100, 0.5, -1, -4])
    def test_what_is_cut_short(self, archive, tmp_path, kept):
        content = archive.read_bytes()
        archive.write_bytes(content[: int(len(content) * kept) if kept == 0.5 else kept])
        assert "is refused: it is cut short" in refused(archive, tmp_path)

    def test_a_flipped_bit_anywhere(self, archive, tmp_path):
        content = archive.read_bytes()
        for place in range(0, len(content), max(1, len(content) // 97)):
            flipped = bytearray(content)
            flipped[place] ^= 1
            archive.write_bytes(flipped)
            assert "refused" in refused(archive, tmp_path)

    def test_a_changed_member(self, archive, tmp_path):
        content = plain(archive).replace("ünïcode".encode(), b"unicodeee")
        compressed(archive, content)
        assert "hub/README.md was changed" in refused(archive, tmp_path)

    def test_what_is_appended(self, archive, tmp_path):
        compressed(archive, plain(archive) + bytes(512))
        assert "something follows its last member" in refused(archive, tmp_path)

    @pytest.mark.parametrize("missing", [1, 512, 1024])
    def test_what_ends_too_early(self, archive, tmp_path, missing):
        compressed(archive, plain(archive)[:-missing])
        assert "is refused: its end is missing" in refused(archive, tmp_path)

    def test_a_second_frame(self, archive, tmp_path):
        archive.write_bytes(archive.read_bytes() + zstd.compress(b"more"))
        assert "something follows its last member" in refused(archive, tmp_path)

    def test_what_is_no_archive(self, tmp_path):
        path = tmp_path / "x.tar.zst"
        path.write_bytes(b"hello, this is text")
        assert "is refused" in refused(path, tmp_path)
        compressed(path, header("hub/x", 0) + END)
        assert "does not begin with index.json" in refused(path, tmp_path)

    @pytest.mark.parametrize(
        ("path", "told"),
        [
            ("../evil", "does not stay inside its folder"),
            ("hub/../../evil", "does not stay inside its folder"),
            ("/etc/passwd", "is absolute"),
            ("hub//x", "does not stay inside its folder"),
            ("hub/./x", "does not stay inside its folder"),
            ("hub/a\nb", "has a control character"),
            ("hub\\x", "has a control character or a backslash"),
            ("elsewhere/x", "belongs to no part of an archive"),
            ("", "is empty"),
            ("hub/" + "x" * 300, "is longer than 255 bytes"),
            ("hub/hub.json", "'hub/hub.json' appears twice"),
            ("hub/hub.json/x", "'hub/hub.json' is a file and a folder"),
        ],
    )
    def test_a_bad_name(self, archive, tmp_path, path, told):
        rebuilt(
            archive,
            lambda index: index["members"].append({"path": path, "bytes": 0, "sha256": "0" * 64}),
        )
        assert told in refused(archive, tmp_path)
        assert not (tmp_path / "evil").exists()

    @pytest.mark.parametrize(
        ("kind", "told"),
        [
            (tarfile.SYMTYPE, "a symbolic link 'hub/README.md'"),
            (tarfile.LNKTYPE, "a hard link 'hub/README.md'"),
            (tarfile.CHRTYPE, "a device 'hub/README.md'"),
            (tarfile.BLKTYPE, "a device 'hub/README.md'"),
            (tarfile.FIFOTYPE, "a pipe 'hub/README.md'"),
            (tarfile.XHDTYPE, "another member 'hub/README.md'"),
        ],
    )
    def test_what_is_no_regular_file(self, archive, tmp_path, kind, told):
        info = tarfile.TarInfo("hub/README.md")
        info.type, info.linkname = kind, "/etc/passwd"
        member = info.tobuf(tarfile.USTAR_FORMAT)
        rebuilt(archive, lambda index: index.update(members=index["members"][:1]), members=member)
        assert f"in place of hub/README.md it has {told}" in refused(archive, tmp_path)

    def test_members_in_another_order_or_one_that_is_missing(self, archive, tmp_path):
        rebuilt(archive, lambda index: index["members"].pop(0))
        assert "in place of" in refused(archive, tmp_path)

    def test_more_bytes_than_are_allowed(self, archive, tmp_path):
        message = refused(archive, tmp_path, limit_bytes=1000)
        assert "bytes and 1000 are allowed; allow more with --limit-gib if you trust it" in message

    def test_more_files_and_folders_than_are_allowed(self, archive, tmp_path):
        """Files without a byte, each in a hundred folders of its own."""
        empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        paths = [f"hub/{number}/" + "a/" * 100 + "f" for number in range(1000)]
        members = [{"path": path, "bytes": 0, "sha256": empty} for path in paths]
        blocks = b"".join(header(path, 0) for path in paths)
        rebuilt(archive, lambda index: index.update(members=members), members=blocks)
        assert "more than 100000 files and folders" in refused(archive, tmp_path)

    @pytest.mark.parametrize("size", [-1, -5, -(2**40)])
    def test_an_index_of_negative_size(self, tmp_path, size):
        block = bytearray(header("index.json", 0))
        block[124:136] = (256**12 + size).to_bytes(12, "big")
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        path = compressed(tmp_path / "x.tar.zst", bytes(block) + bytes(2**20))
        assert "does not begin with index.json" in refused(path, tmp_path)

    @pytest.mark.parametrize(
        "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.GNUTYPE_SPARSE, tarfile.DIRTYPE]
    )
    def test_an_index_that_is_no_regular_file(self, archive, tmp_path, kind):
        content = plain(archive)
        info = tarfile.TarInfo.frombuf(content[:512], "utf-8", "strict")
        info.type, info.linkname = kind, "/etc/passwd"
        compressed(archive, info.tobuf(tarfile.GNU_FORMAT) + content[512:])
        assert "does not begin with index.json" in refused(archive, tmp_path)

    @pytest.mark.parametrize("kind", ["pax", "global pax", "long name"])
    def test_headers_that_change_what_the_next_one_says(self, archive, tmp_path, kind):
        info = tarfile.TarInfo("x" * 150)
        blocks = {
            "pax": info.create_pax_header({**info.get_info(), "path": "../evil"}, "utf-8"),
            "global pax": tarfile.TarInfo.create_pax_global_header({"path": "../evil"}),
            "long name": info.tobuf(tarfile.GNU_FORMAT),
        }[kind]
        content = plain(archive)
        compressed(archive, blocks + content)
        assert "does not begin with index.json" in refused(archive, tmp_path)
        size = tarfile.TarInfo.frombuf(content[:512], "utf-8", "strict").size
        end = 512 + size + len(padding(size))
        compressed(archive, content[:end] + blocks + content[end:])
        assert "in place of hub/README.md it has another member" in refused(archive, tmp_path)

    def test_what_is_hidden_where_zeros_belong(self, archive, tmp_path):
        content = plain(archive)
        size = tarfile.TarInfo.frombuf(content[:512], "utf-8", "strict").size
        hidden = b"h" * len(padding(size))
        compressed(archive, content[: 512 + size] + hidden + content[512 + size + len(hidden) :])
        assert "something is hidden behind index.json" in refused(archive, tmp_path)

    def test_a_flipped_bit_anywhere_under_the_compression(self, archive, tmp_path):
        content = plain(archive)
        size = tarfile.TarInfo.frombuf(content[:512], "utf-8", "strict").size
        first = 512 + size + len(padding(size))
        places = [
            *range(512),
            *range(first, first + 1024),
            *range(len(content) - 1024, len(content)),
        ]
        for place in places[::7]:
            flipped = bytearray(content)
            flipped[place] ^= 4
            assert "refused" in refused(compressed(archive, bytes(flipped)), tmp_path)

    @pytest.mark.parametrize("wrong", [-1, 1, 512, 10**30, 2**63])
    def test_an_index_that_lies_about_sizes(self, archive, tmp_path, wrong):
        def lie(index):
            index["members"][0]["bytes"] += wrong

        rebuilt(archive, lie)
        assert "is refused" in refused(archive, tmp_path)

    @pytest.mark.parametrize("tail", [b"garbage", bytes(100)])
    def test_what_follows_the_last_frame(self, archive, tmp_path, tail):
        archive.write_bytes(archive.read_bytes() + tail)
        assert "is refused" in refused(archive, tmp_path)

    def test_a_skippable_frame_that_promises_gigabytes(self, archive, tmp_path):
        archive.write_bytes(struct.pack("<II", 0x184D2A50, 2**32 - 1) + archive.read_bytes())
        assert "it is cut short" in refused(archive, tmp_path)

    def test_a_bomb_in_the_index_s_place(self, tmp_path):
        path = tmp_path / "bomb.tar.zst"
        compressed(path, header("index.json", 2**33) + bytes(2**20))
        assert "does not begin with index.json" in refused(path, tmp_path)

    def test_a_window_that_asks_for_much_memory(self, archive, tmp_path):
        wide = {zstd.CompressionParameter.window_log: 30}
        with zstd.open(archive, "wb", options=wide) as stream:
            stream.write(bytes(2**10))
        assert "refused" in refused(archive, tmp_path)

    @pytest.mark.parametrize("text", [b"[]", b"{", b'{"schema_version": 2}', b"\xff"])
    def test_an_index_that_cannot_be_used(self, tmp_path, text):
        path = tmp_path / "x.tar.zst"
        compressed(path, header("index.json", len(text)) + text + padding(len(text)) + END)
        assert "index.json cannot be used" in refused(path, tmp_path)

    def test_another_hub_than_the_index_names(self, archive, tmp_path):
        rebuilt(archive, lambda index: index.update(hub_sha256="0" * 64))
        assert "its hub is not the one that index.json names" in refused(archive, tmp_path)

    def test_to_overwrite(self, archive, tmp_path):
        (tmp_path / "restored").mkdir()
        with pytest.raises(FileExistsError):
            unpack(archive, tmp_path / "restored")
