"""`phasehub serve`: the hubs of a folder and its runs under way, in the browser of this machine.

It reads and never writes, and answers this machine alone. A hub is a stranger's: what is shown of
it comes through the readers that every verb uses, and is escaped; see docs/adr/0025.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from runner.commands.serving.pages import ServedPages
from runner.commands.serving.server import Server
from runner.core.errors import EngineError, NoHubError


def serve(folder: Path, port: int, say: Callable[[str], None]) -> None:
    """Answer requests for the pages of a folder until an interrupt; ``say`` is given the address.

    Raises ``NoHubError`` where there is no such folder, ``EngineError`` where the port is taken.
    """
    if not folder.is_dir():
        raise NoHubError(f"{folder}: no such folder; give the one that hubs are kept in")
    try:
        server = Server(ServedPages(folder=folder.resolve()), port)
    except OSError as error:
        raise EngineError(
            f"port {port} of 127.0.0.1 cannot be had: {error.strerror}; --port 0 takes a free one"
        ) from error
    with server:
        say(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
