"""A file in a place that fsspec reaches: read, measured, and put there whole or not at all.

Every protocol finds its credentials in the environment, as its own tools do. They never come in a
URL, which everybody sees who sees the list of processes.
"""

from __future__ import annotations

import errno
import hashlib
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from runner.archive.store_errors import holds_password, is_corruption, redacted, translated_errors
from runner.core.errors import StoreError
from runner.core.files import make_durable
from runner.core.names import is_plain_name

READ_BYTES: Final = 8 * 2**20
PART_BYTES: Final = 16 * 2**20
"""Of an upload to S3; a file of less than two parts goes in one piece."""
MOST_PARTS: Final = 9_000
"""S3 takes 10,000."""
PARTS_AT_ONCE: Final = 4
S3_LOCK: Final = Path(__file__).parents[1] / "requirements-s3.txt"

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_WEB = ("http", "https")
_S3 = ("s3", "s3a")


def is_url(text: str) -> bool:
    """Whether a place is given by its protocol, and not as a path."""
    return _URL.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True)
class Store:
    """One file of a store. All methods raise ``StoreError`` with the place and a remedy."""

    url: str
    protocol: str
    fs: Any
    """An ``AbstractFileSystem`` of fsspec."""
    path: str
    """What ``fs`` calls the file."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    def beside(self, suffix: str) -> Store:
        """The file that has ``suffix`` on top of this one's name."""
        return replace(self, url=self.url + suffix, path=self.path + suffix)

    def size(self) -> int | None:
        """Bytes of the file, 0 where the store does not tell; ``None`` where there is no file."""
        with translated_errors(self.url, "looked up"):
            self.fs.invalidate_cache()
            try:
                found = self.fs.info(self.path)
            except FileNotFoundError:
                return None
        if found["type"] == "directory":
            raise StoreError(f"{self.url} is a folder; end it in / to mean a file in it")
        return int(found["size"] or 0)

    def blocks(self) -> Iterator[bytes]:
        """The bytes of the file as they are there now, in order."""
        # Not every web server tells sizes or serves ranges; 0 takes its answer as it comes.
        size = 0 if self.protocol in _WEB else READ_BYTES
        with (
            translated_errors(self.url, "read"),
            self.fs.open(self.path, "rb", block_size=size) as file,
        ):
            while block := file.read(READ_BYTES):
                yield block

    def digest(self) -> str:
        """SHA-256 of the bytes as they are there now."""
        whole = hashlib.sha256()
        for block in self.blocks():
            whole.update(block)
        return whole.hexdigest()

    def prepare(self) -> None:
        """See that the store answers, and remove the parts of an upload that was cut off."""
        with translated_errors(self.url, "written"):
            self._drop_parts()
        self.size()

    def put(self, file: Path, digest: str) -> None:
        """Upload a file of this digest and read it back: it is there whole, or not at all."""
        if self.protocol in _S3:  # an object appears when its last part is there
            self._put_object(file)
            self._require(digest)
            return
        folder = self.path.removesuffix(self.name)
        part = replace(self, path=f"{folder}.{self.name}.part")
        try:
            part._write(file)
            part._require(digest)
            self._take_name(part)
        except BaseException:
            with suppress(Exception):
                self.fs.rm_file(part.path)
            raise

    def _take_name(self, part: Store) -> None:
        """Give a file that is complete the name of this one."""
        with translated_errors(self.url, "written"):
            if self.fs.exists(self.path):
                raise FileExistsError
            self.fs.mv(part.path, self.path)

    def _write(self, file: Path) -> None:
        """Copy a file, in place of one of the same name that an earlier try left."""
        with translated_errors(self.url, "written"):
            with suppress(FileNotFoundError):
                self.fs.rm_file(self.path)
            self.fs.put_file(str(file), self.path)
            if self.protocol in ("file", "local"):
                make_durable([Path(self.path)])

    def _require(self, digest: str) -> None:
        """Read back what was written; remove it if it is anything else."""
        try:
            found = self.digest()
        except StoreError as error:
            if not is_corruption(error.__cause__):
                raise
            found = "what has another checksum"
        if found == digest:
            return
        with translated_errors(self.url, "removed"):
            self.fs.rm_file(self.path)
        raise StoreError(
            f"{self.url} did not keep what was sent: {digest} was sent and {found} came back "
            "(SHA-256), so it was removed again; try again, and mistrust the store if it stays so"
        )

    def _put_object(self, file: Path) -> None:
        """Upload to S3 unless there is an object meanwhile."""
        options = {
            "chunksize": max(PART_BYTES, -(-file.stat().st_size // MOST_PARTS)),
            "max_concurrency": PARTS_AT_ONCE,
            "ContentType": "application/octet-stream",
        }
        with translated_errors(self.url, "written"):
            try:
                self.fs.put_file(str(file), self.path, mode="create", **options)
            except OSError as error:
                if error.errno != errno.ENOSYS:
                    raise
                # Some stores do not know the condition; that there is nothing was seen before.
                self.fs.put_file(str(file), self.path, **options)
            except KeyboardInterrupt:
                self._drop_parts()
                raise

    def _drop_parts(self) -> None:
        """Abort unfinished uploads of this object, whose parts would be kept and charged for."""
        if self.protocol not in _S3:
            return
        bucket, key, _ = self.fs.split_path(self.path)
        listed = self.fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key)
        for upload in listed.get("Uploads", []):
            if upload["Key"] == key:
                self.fs.abort_mpu(bucket, key, upload["UploadId"])


def open_store(url: str, name: str | None = None) -> Store:
    """The file that a URL names; if it ends in ``/``, the file ``name`` in that folder.

    Raises ``StoreError`` for a URL that cannot be used and a protocol that is not at hand.
    """
    protocol, rest = _checked(url)
    url = f"{protocol}://{rest}"
    if rest.endswith("/") and name is not None:
        url += name
    elif "/" not in rest.strip("/") or rest.endswith("/"):
        raise StoreError(f"{url} names no file; give PROTOCOL://PLACE/…/NAME")
    _require_protocol(url, protocol)
    import fsspec

    with translated_errors(url, "reached"):
        fs, path = fsspec.core.url_to_fs(url, skip_instance_cache=True)
    return Store(url=url, protocol=protocol, fs=fs, path=path)


def _checked(url: str) -> tuple[str, str]:
    """Protocol and the rest of a URL without secrets."""
    match = _URL.fullmatch(url)
    if match is None or not is_plain_name(url) or "::" in url:
        raise StoreError(f"{url!r} is no URL; give PROTOCOL://PLACE/…/NAME")
    protocol = match[1].lower()
    if holds_password(url) or (protocol in _WEB and "?" in url):
        shown = redacted(url).partition("?")[0] if protocol in _WEB else redacted(url)
        raise StoreError(
            f"{shown}: the URL that was given holds credentials or a query, and would be seen in "
            "the list of processes; leave them out, and give credentials by the environment"
        )
    if protocol == "memory":
        raise StoreError(f"{url} keeps nothing once phasehub ends; give another place")
    return protocol, match[2]


def _require_protocol(url: str, protocol: str) -> None:
    """Raise ``StoreError`` for a protocol that is unknown or lacks its package."""
    import fsspec

    try:
        fsspec.get_filesystem_class(protocol)
    except ValueError as error:
        raise StoreError(
            f"{url}: the protocol {protocol} is not known; file, s3, sftp, gs, az and https are "
            "among those that fsspec knows"
        ) from error
    except ImportError as error:
        if protocol in (*_S3, *_WEB):
            install = f"`{sys.executable} -m pip install --require-hashes -r {S3_LOCK}`"
        else:
            install = "the package that fsspec names, with pip"
        raise StoreError(
            f"{url}: what {protocol} needs is not installed ({error}); install {install}"
        ) from error
