"""A server that speaks S3, as a process of its own, and what can stand before it."""

import http.client
import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runner.hub.layout import stage, write_record

ROOT = Path(__file__).parents[3]
ENVIRONMENT = ROOT / ".venv-s3" / "bin"
"""Where phasehub has what S3 needs, and the server is."""
NOW = datetime(2026, 1, 30, 5, 0, 0, tzinfo=UTC)
SECRET = "wJalrXUtnFEMI-only-for-tests"
OWNER = "AWS4-HMAC-SHA256 Credential=OWNER/20260130/us-east-1/s3/aws4_request, Signature=0"
"""The server compares no signature unless it is told to."""

NOT_IMPLEMENTED = b"""<?xml version="1.0"?>
<Error><Code>NotImplemented</Code><Message>A header implies what is not there.</Message></Error>"""


class S3:
    """The server as an outsider sees it, by plain HTTP."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, content=None):
        headers = {"Authorization": OWNER, "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(
            self.url + path, data=content, headers=headers, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def get(self, path):
        return self.ask("GET", path)

    def put(self, path, content=b""):
        self.ask("PUT", path, content)

    def keys(self, bucket):
        return re.findall(r"<Key>(.*?)</Key>", self.get(f"/{bucket}?list-type=2").decode())

    def delete(self, path):
        self.ask("DELETE", path)

    def uploads(self, bucket):
        """Keys of the uploads that were begun and neither completed nor aborted."""
        return re.findall(r"<Key>(.*?)</Key>", self.get(f"/{bucket}?uploads").decode())


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    if not ENVIRONMENT.exists():
        pytest.fail("the environment with S3 is not installed; `nox -s tests` installs it")
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [ENVIRONMENT / "moto_server", "-H", "127.0.0.1", "-p", "0"],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield S3(address(process, log))
    finally:
        process.terminate()
        process.wait()


def address(process, log):
    """Where the server listens; it takes a free port and says which."""
    ends = time.monotonic() + 120
    while time.monotonic() < ends and process.poll() is None:
        if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(log.read_text())


@pytest.fixture
def guarded(server):
    """The server asks for credentials while the test runs, and knows none."""
    server.ask("POST", "/moto-api/reset-auth", b"0")
    yield
    server.ask("POST", "/moto-api/reset-auth", b"1000000")


@pytest.fixture
def bucket(server, request):
    """A bucket of the test's own."""
    name = "b" + format(abs(hash(request.node.nodeid)), "x")
    server.put(f"/{name}")
    return name


class Proxy:
    """Stands before the server, forwards everything, and can hold or spoil what passes."""

    def __init__(self, server):
        self.server = server
        self.pause = None
        """Requests that match this pattern, ``METHOD /path``, wait until ``go_on`` is set."""
        self.held, self.go_on = threading.Event(), threading.Event()
        self.spoil = None
        """Answers to a GET of this path have their last byte changed."""
        self.knows_conditions = True
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                proxy.forward(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward

            def log_message(self, *arguments):
                pass

        self.web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.web.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.web.server_port}"
        threading.Thread(target=self.web.serve_forever, daemon=True).start()

    def forward(self, asked):
        content = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        if self.pause and re.search(self.pause, f"{asked.command} {asked.path}"):
            self.held.set()
            self.go_on.wait(300)
        if "If-None-Match" in asked.headers and not self.knows_conditions:
            self.answer(asked, 501, [], NOT_IMPLEMENTED)
            return
        host = self.server.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request(asked.command, asked.path, content, dict(asked.headers))
        answer = connection.getresponse()
        body = answer.read()
        if asked.command == "GET" and self.spoil and re.search(self.spoil, asked.path):
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.answer(asked, answer.status, answer.getheaders(), body)

    def answer(self, asked, status, headers, body):
        asked.send_response(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                asked.send_header(name, value)
        length = dict(headers).get("Content-Length", "0") if asked.command == "HEAD" else len(body)
        asked.send_header("Content-Length", str(length))
        asked.end_headers()
        asked.wfile.write(body)


@pytest.fixture
def proxy(server):
    made = Proxy(server)
    yield made
    made.go_on.set()
    made.web.shutdown()


@pytest.fixture
def sealed(tmp_path, record):
    """A sealed hub with 40 MiB that cannot be compressed: three parts of an upload."""
    staging = stage(tmp_path / "artifacts", record.phase, NOW)
    (staging.path / "noise.bin").write_bytes(os.urandom(40 * 2**20))
    write_record(staging.path, record)
    return staging.seal()


@pytest.fixture
def small(tmp_path, record):
    staging = stage(tmp_path / "artifacts", record.phase, NOW)
    write_record(staging.path, record)
    return staging.seal()


@pytest.fixture
def phasehub(tmp_path, server):
    """Start phasehub in an empty folder with credentials for the server; variables on top."""
    (tmp_path / "here").mkdir()

    def start(*arguments, **variables):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path / "here"),
            "PYTHONPATH": str(ROOT),
            "PHASEHUB_STATE": str(tmp_path / "state"),
            "AWS_ENDPOINT_URL_S3": server.url,
            "AWS_ACCESS_KEY_ID": "AKIATESTS",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        } | variables
        return subprocess.Popen(
            [ENVIRONMENT / "python", "-m", "runner", *map(str, arguments)],
            cwd=tmp_path / "here",
            env={name: value for name, value in environment.items() if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def run(phasehub):
    """Run phasehub to its end: exit code, stdout, stderr. The secret is in neither."""

    def run(*arguments, **variables):
        process = phasehub(*arguments, **variables)
        out, err = process.communicate()
        assert SECRET not in out + err
        return process.returncode, out, err

    return run
