"""What the API raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from phasehub._own import own


class HubError(Exception):
    """A folder is no hub, or a file of a hub is missing, damaged or not what it should be.

    The message names the file and what can be done.
    """


class ExtraError(ImportError):
    """A library that only some use is not installed; the message names the extra that brings it."""


@contextmanager
def as_hub_errors() -> Iterator[None]:
    """Whatever phasehub's own sources raise for users becomes a ``HubError``."""
    try:
        yield
    except own("runner.core.errors").RunnerError as error:
        raise HubError(str(error)) from None


def extra(module: str, what: str) -> Any:  # noqa: ANN401 - a library
    """An optional library, for ``what``. Raises ``ExtraError`` where it is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ExtraError(
            f"{what} needs {module}, which is not installed: pip install {module}, or phasehub "
            f"with its extra, phasehub[{module}]",
            name=module,
        ) from None
