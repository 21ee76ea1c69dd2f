"""A second Docker daemon that builds by BuildKit alone: its authorization plugin says so.

https://docs.docker.com/engine/extend/plugins_authorization/
"""

import json
import os
import socketserver
import subprocess
import threading
import uuid
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import docker

from tests.faults.phase import wait_until

PLUGINS = Path("/run/docker/plugins")
BUILDKIT = "version=2"
"""What a request for a build has in its query where BuildKit is to do it."""


class Plugin(BaseHTTPRequestHandler):
    """Allows everything but builds by the classic builder."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "{}")
        place, _, query = asked.get("RequestUri", "").partition("?")
        allowed = not place.endswith("/build") or BUILDKIT in query
        answer = {"Implements": ["authz"], "Allow": allowed, "Msg": "BuildKit alone builds here"}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "dockerd"

    def log_message(self, *_):
        pass


@contextmanager
def daemon(folder):
    """The address of the daemon, in a network of its own: it would take `docker0` with it."""
    name = f"phasehub-{uuid.uuid4().hex[:8]}"
    PLUGINS.mkdir(parents=True, exist_ok=True)
    place, address = PLUGINS / f"{name}.sock", f"unix://{folder}/docker.sock"
    with ExitStack() as held:
        server = socketserver.ThreadingUnixStreamServer(str(place), Plugin)
        held.callback(place.unlink)
        held.enter_context(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        held.callback(server.shutdown)
        log = held.enter_context((folder / "dockerd.log").open("wb"))
        process = subprocess.Popen(
            ["unshare", "--net", "dockerd", f"--host={address}", f"--data-root={folder}/data",
             f"--exec-root={folder}/exec", f"--pidfile={folder}/docker.pid", "--bridge=none",
             "--iptables=false", f"--authorization-plugin={name}"],
            stdout=log, stderr=log, env=os.environ,
        )  # fmt: skip
        held.callback(process.wait)
        held.callback(process.terminate)

        def answers():
            with suppress(docker.errors.DockerException):
                docker.DockerClient(address).close()  # it asks for a version
                return True
            return False

        wait_until(answers)
        yield address
