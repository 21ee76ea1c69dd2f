"""What goes wrong at a store, in words to act on: the place, what happened, what to do.

The packages behind fsspec raise errors of their own kinds; they are known by name here, so that
none of them has to be imported.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from runner.core.errors import RunnerError, StoreError

_PASSWORD = re.compile(r"(?<=://)[^/:@\s]*:(?!\d+(?:/|$))[^@\s]*@")
_CREDENTIALS: Final = (
    "for S3 set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for another protocol "
    "what its fsspec package reads"
)
_NO_CREDENTIALS = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "ProfileNotFound",
}
_NO_ANSWER = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "ReadTimeoutError",
    "FSTimeoutError",
    "ClientConnectorError",
    "ServerDisconnectedError",
    "SSLError",
    "gaierror",
}
_FULL = {errno.ENOSPC, errno.EDQUOT}


def holds_password(url: str) -> bool:
    """Whether a URL has ``user:password@`` in it; ``user@`` alone and ports are no secrets."""
    return _PASSWORD.search(url) is not None


def redacted(text: str) -> str:
    """A text without what stands before the ``@`` of a URL in it."""
    return _PASSWORD.sub("***@", text)


def is_corruption(error: BaseException | None) -> bool:
    """Whether an error says that bytes came back which are not those that the store announced."""
    return type(error).__name__ == "FlexibleChecksumError"


@contextmanager
def translated_errors(url: str, done: str) -> Iterator[None]:
    """Turn what goes wrong while a file is ``done`` (read, written …) into a ``StoreError``."""
    try:
        yield
    except RunnerError:
        raise
    except Exception as error:
        what, remedy = _explained(error)
        raise StoreError(f"{url} cannot be {done}: {redacted(what)}; {remedy}") from error


def _explained(error: Exception) -> tuple[str, str]:
    """What happened and what to do."""
    name, detail = type(error).__name__, " ".join(str(error).split())[:300]
    if name in _NO_CREDENTIALS:
        return f"no credentials were found ({detail})", _CREDENTIALS
    if isinstance(error, PermissionError):
        return f"access is denied ({detail})", (
            "the credentials of the environment must be allowed to list, read and write there"
        )
    if isinstance(error, FileNotFoundError):
        return "there is no such bucket, folder or file", "make it first, or mend the URL"
    if isinstance(error, FileExistsError):
        return "a file of that name came there meanwhile", "give another name"
    if name in _NO_ANSWER or isinstance(error, ConnectionError | TimeoutError):
        return f"nobody answers ({detail})", (
            "look at the network, and for an S3 that is not Amazon's at AWS_ENDPOINT_URL_S3"
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        return "its disk is full", "make room there, or give another place"
    if isinstance(error, NotImplementedError):
        return "its protocol can only be read", "give a place that can be written"
    return f"{name}: {detail}", "try again; what was begun is cleared away first"
