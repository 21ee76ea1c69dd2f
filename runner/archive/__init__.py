"""One file out of a hub, perhaps with its image and dataset, and back.

The file is a tar in Zstandard. Its first member, ``index.json``, names every other one with its
size and digest, so the uncompressed bytes follow from the contents alone, and whoever unpacks knows
what must come before it comes. ``tar --zstd -xf`` unpacks it too.
"""

from runner.archive.bag import write_bag
from runner.archive.contents import archive_hub
from runner.archive.pack import Source, pack
from runner.archive.remote import Delivered, archive_to
from runner.archive.restoration import Restored, image_file, restore, restore_from
from runner.archive.unpack import DEFAULT_LIMIT_BYTES, unpack

__all__ = [
    "DEFAULT_LIMIT_BYTES",
    "Delivered",
    "Restored",
    "Source",
    "archive_hub",
    "archive_to",
    "image_file",
    "pack",
    "restore",
    "restore_from",
    "unpack",
    "write_bag",
]
