"""`phasehub serve`, asked over real connections: by its user, by strangers and other pages."""

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from runner.commands.serving.pages import ServedPages
from runner.commands.serving.server import MOST_AT_ONCE, Server
from runner.core.digest import pretty_json
from runner.hub.checksums import write_checksums
from tests.faults.phase import Begun, light_interpreter, manifest, wait_until
from tests.processes.test_older_hubs import OLDER
from tests.processes.test_older_hubs import phasehub as done
from tests.runner.browser import ask_at, needs_chromium

ROOT = Path(__file__).parents[3]
EVIL = '<script>alert("x")</script>'
STAMP, WHOLE = "2026-02-01T000000Z", "2026-02-04T000000Z"
"""A stranger's hub of which a file is gone, and one that is as its sender sealed it."""


def writable(source, target):
    shutil.copytree(source, target)
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A real hub twice, one of a stranger, a broken one; and what lies beside them, or outside."""
    artifacts = tmp_path_factory.mktemp("served") / "artifacts"
    real = Path(done("restore", OLDER[-1], "--out", artifacts.parent / "older").splitlines()[-1])
    for stamp in ("2026-01-01T000000Z", "2026-01-02T000000Z"):
        shutil.copytree(real, artifacts / "tiny" / stamp)
    hostile = writable(real, artifacts / "tiny" / STAMP)
    record = json.loads((hostile / "hub.json").read_bytes())
    (hostile / "hub.json").write_bytes(pretty_json(record | {"title": EVIL}))
    (hostile / "report.html").write_text(EVIL)
    (hostile / "page.html").write_text(EVIL)
    (hostile / "none.png").write_text(EVIL)
    (hostile / "none.pdf").write_text(EVIL)
    write_checksums(hostile)
    writable(hostile, artifacts / "tiny" / WHOLE)
    (hostile / "summary.md").unlink()
    (hostile / "summary.md").symlink_to("/etc/passwd")
    broken = artifacts / "tiny" / "2026-02-02T000000Z"
    broken.mkdir()
    (broken / "hub.json").write_text("{" + EVIL)
    write_checksums(broken)
    (artifacts.parent / "secret.txt").write_text("SECRET")
    (artifacts / "secret.txt").write_text("SECRET")
    outside = writable(real, artifacts.parent / "elsewhere" / "2026-02-03T000000Z")
    (artifacts / "tiny" / outside.name).symlink_to(outside)
    (artifacts / "linked").symlink_to(outside.parent)
    return artifacts


@pytest.fixture(scope="module")
def server(folder):
    with Server(ServedPages(folder=folder.resolve()), 0) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def policy_of(headers):
    return headers["Content-Security-Policy"]


def ask(server, path, method="GET", **headers):
    """The status, headers and text of an answer; the path goes out as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode(errors="replace")


def test_the_index_has_every_hub_also_one_that_is_broken_and_none_from_outside(server):
    status, headers, text = ask(server, "/")
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    for day in ("2026-01-01", "2026-01-02", "2026-02-01"):
        assert f'href="/hub/tiny/{day}T000000Z/"' in text
    assert re.search(r'2026-02-02T000000Z.*\n.*\n?<td colspan="6" class="bad">broken: ', text)
    assert "2026-02-03" not in text
    assert "linked" not in text
    assert EVIL not in text
    assert "&lt;script&gt;" in text


def test_a_filter_leaves_what_matches(server):
    _, _, text = ask(server, "/?q=tiny+2026-01-02")
    assert ("2026-01-02T" in text, "2026-01-01T" in text) == (True, False)
    _, _, text = ask(server, "/?q=%3Cscript%3E+nowhere")
    assert "No hub matches" in text
    assert "<script> nowhere" not in text


def test_a_phase_shows_its_arms_over_time(server):
    _, _, text = ask(server, "/phase/tiny")
    rows = re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', text, re.DOTALL)
    assert [arm for arm, _ in rows] == ["one", "two"]
    assert all(cells.count("<td") == 5 for _, cells in rows)


def test_a_hub_says_what_show_says_and_links_its_files(server):
    status, _, text = ask(server, "/hub/tiny/2026-01-01T000000Z/")
    assert status == 200
    assert "metrics" in text
    (link,) = re.findall(r'href="(\S+/manifest\.toml)"', text)
    status, headers, manifest = ask(server, link)
    assert status == 200
    assert 'name = "tiny"' in manifest
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


def test_two_hubs_are_compared(server):
    names = ("tiny/2026-01-01T000000Z", "tiny/2026-01-02T000000Z")
    status, _, text = ask(server, "/diff?hub={}&hub={}".format(*names))
    assert status == 200
    assert "same" in text or "identical" in text
    assert ask(server, "/diff?hub=tiny/2026-01-01T000000Z")[0] == 422
    assert ask(server, "/diff?hub=..&hub=../..")[0] == 404


def test_a_stranger_s_page_gets_no_script_no_request_and_no_origin(server):
    for name in ("report.html", "page.html"):
        status, headers, text = ask(server, f"/hub/tiny/{STAMP}/{name}")
        assert (status, text) == (200, EVIL)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("sandbox; default-src 'none';")
        assert "allow" not in policy
        assert "script" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_hub_s_page_is_made_by_the_server_and_has_no_part_in_its_origin(server):
    status, headers, text = ask(server, f"/report/tiny/{WHOLE}")
    assert status == 200
    assert "regenerated by phasehub" in text
    assert EVIL not in text
    told = dict(part.strip().partition(" ")[::2] for part in policy_of(headers).split(";"))
    assert told["sandbox"] == "allow-scripts allow-downloads"
    assert re.fullmatch(r"('sha256-[\w+/=]+' ?){2}", told["script-src"])
    assert told["default-src"] == told["form-action"] == told["frame-ancestors"] == "'none'"
    links = {one for one in re.findall(r'href="([^"]+)"', text) if not one.startswith("#")}
    assert len(links) > 10
    assert {link: ask(server, link)[0] for link in links} == dict.fromkeys(links, 200)
    assert ask(server, f"/report/tiny/{STAMP}")[0] == 422
    assert ask(server, "/report/tiny/2026-02-03T000000Z")[0] == 404


@needs_chromium
def test_in_a_browser_its_script_runs_and_asks_nothing(server, tmp_path):
    answer = ask_at(f"{server.address}report/tiny/{WHOLE}", tmp_path, """
        const asked = await fetch("/api/runs").then(() => "answered", () => "refused");
        const evil = document.body.appendChild(document.createElement("script"));
        evil.textContent = "window.evil = true";
        return {origin: self.origin, asked, evil: "evil" in window, title: document.title,
                sorted: document.querySelectorAll("#measured-table thead button").length};
    """)  # fmt: skip
    assert answer.pop("sorted") > 5
    assert answer == {"origin": "null", "asked": "refused", "evil": False, "title": f"tiny: {EVIL}"}


def test_several_hubs_stand_side_by_side(server):
    names = ("tiny/2026-01-01T000000Z", f"tiny/{WHOLE}")
    status, headers, text = ask(server, "/report?hub={}&hub={}".format(*names))
    assert status == 200
    assert policy_of(headers).startswith("sandbox allow-scripts allow-downloads;")
    assert all(f'href="/hub/{name}/' in text for name in names)
    assert ask(server, "/report")[0] == 422
    assert ask(server, f"/report?hub={names[0]}&hub=..")[0] == 404


def test_what_is_not_as_it_was_sealed_is_not_shown(server, folder):
    status, _, text = ask(server, f"/hub/tiny/{STAMP}/summary.md")
    assert status == 422
    assert "root:" not in text
    assert ask(server, f"/hub/tiny/{STAMP}/none.png")[0] == 415
    assert ask(server, f"/hub/tiny/{STAMP}/none.pdf")[0] == 415
    assert ask(server, f"/hub/tiny/{STAMP}/arms/one/model.pt")[0] == 404
    assert ask(server, f"/hub/tiny/{STAMP}/")[0] == 200
    assert ask(server, "/hub/tiny/2026-02-02T000000Z/")[0] == 422


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt", "/%2e%2e/secret.txt", "/hub/tiny/../../secret.txt", "//secret.txt",
        "/hub/tiny/2026-01-01T000000Z/../../../secret.txt",
        "/hub/tiny/2026-01-01T000000Z/%2e%2e/%2e%2e/%2e%2e/secret.txt",
        "/hub/tiny/2026-01-01T000000Z/..%2f..%2f..%2fsecret.txt",
        "/hub/tiny/2026-01-01T000000Z/%252e%252e/secret.txt",
        "/hub/tiny/2026-01-01T000000Z//etc/passwd", "/hub/tiny/2026-01-01T000000Z/%2fetc%2fpasswd",
        "/hub/tiny/2026-01-01T000000Z/manifest.toml%00.png",
        "/hub/tiny/2026-01-01T000000Z/SHA256SUMS/../secret.txt",
        "/hub/tiny/2026-02-03T000000Z/", "/hub/tiny/2026-02-03T000000Z/manifest.toml",
        "/hub/linked/2026-02-03T000000Z/manifest.toml", "/hub/../artifacts/", "/secret.txt",
        "/hub/%2e%2e/elsewhere/", "/phase/..", "/phase/%2e%2e", "/serve.js/../pages.py",
        "/pages.py",
        "/api/runs/..", "/hub/tiny/.staging-2026-01-01T000000Z/",
    ],
)  # fmt: skip
def test_no_address_leads_out_of_the_hubs(server, path):
    status, headers, text = ask(server, path)
    assert status == 404
    assert "SECRET" not in text
    assert "sandbox" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1.evil:{port}",
        "",
    ],
)
def test_another_host_is_refused(server, host):
    status, _, text = ask(server, "/", Host=host.format(port=server.server_port))
    assert status == 421
    assert "tiny" not in text
    assert ask(server, "/", Host=f"localhost:{server.server_port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "ODD"])
def test_nothing_but_reading_is_answered(server, method):
    status, headers, _ = ask(server, "/", method=method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_head_has_no_body(server):
    status, headers, text = ask(server, "/", method="HEAD")
    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) > 500


def raw(server, request):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while block := connection.recv(65536):
            answer += block
    return answer


@pytest.mark.parametrize(
    "request_line",
    [b"GET http://evil.example/ HTTP/1.1", b"GET / HTTP/9.9", b"<script> <script> <script>",
     b"GET /" + b"a" * 5000 + b" HTTP/1.1", b"GET /" + b"a" * 70000 + b" HTTP/1.1",
     b"GET /%ff HTTP/1.1", b"GET /?" + b"a=1&" * 50 + b" HTTP/1.1"],
    ids=range(7),
)  # fmt: skip
def test_what_is_no_request_for_a_page_is_refused_and_not_repeated(server, request_line):
    host = f"Host: 127.0.0.1:{server.server_port}\r\n".encode()
    answer = raw(server, request_line + b"\r\n" + host + b"\r\n")
    assert re.match(rb"HTTP/1\.\d (400|414|505) ", answer), answer[:100]
    assert b"evil" not in answer
    assert b"<script>" not in answer
    assert b"Content-Security-Policy: sandbox" in answer


def test_two_hosts_are_refused(server):
    host = f"127.0.0.1:{server.server_port}".encode()
    answer = raw(server, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nHost: evil.example\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 421 ")


def test_connections_that_say_nothing_do_not_use_up_all_threads(server):
    place = ("127.0.0.1", server.server_port)
    idle = [socket.create_connection(place, timeout=60) for _ in range(3 * MOST_AT_ONCE)]
    try:
        wait_until(lambda: threading.active_count() >= MOST_AT_ONCE)
        assert threading.active_count() < 2 * MOST_AT_ONCE
    finally:
        for one in idle:
            one.close()

    def answers():
        try:
            return ask(server, "/")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    wait_until(answers)


def test_own_pages_may_ask_for_nothing_from_elsewhere(server):
    for path in ("/", "/phase/tiny", f"/hub/tiny/{STAMP}/", "/serve.js"):
        _, headers, text = ask(server, path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self';" in policy
        assert "unsafe" not in policy
        assert not re.search(r"""(src|href|action)="?(https?:)?//""", text)
        assert not re.search(r"<script>|\son\w+=|\sstyle=", text)


def test_nothing_of_a_stranger_s_hub_has_a_text_that_the_page_s_script_puts_in_as_markup():
    script = (ROOT / "runner" / "commands" / "serving" / "serve.js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)


def test_a_run_is_followed_until_it_is_a_hub(tmp_path):
    text = manifest(one=0, two="held")
    run = Begun(tmp_path, light_interpreter(tmp_path / "interpreter"), text)
    try:
        assert run.wait_for(lambda run: run.told("concluded", "one") and run.told("started", "two"))
        with Server(ServedPages(folder=run.artifacts.resolve()), 0) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                follow(run, server)
            finally:
                server.shutdown()
                thread.join()
    finally:
        run.end_all()


def follow(run, server):
    def runs():
        return json.loads(ask(server, "/api/runs")[2])

    (one,) = runs()
    assert (one["arms"], one["ended"], one["alive"]) == (2, 1, True)
    assert [arm["name"] for arm in one["under_way"]] == ["two"]
    (attempt,) = run.artifacts.glob("tiny/.staging-*/.attempts/two/*/out")
    lines = [{"event": "started", "epochs": 3}, {"event": "stage", "stage": EVIL}]
    (attempt / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert runs()[0]["under_way"][0]["doing"] == EVIL
    assert EVIL not in ask(server, "/")[2]
    with (attempt / "events.jsonl").open("a") as file:
        for epoch in range(2):
            line = {"event": "epoch", "epoch": epoch, "train_loss": 1.5, "val_loss": 2.5 - epoch}
            file.write(json.dumps(line) + "\n")
    (arm,) = runs()[0]["under_way"]
    assert len(arm["curve"]) == 2
    assert "2.5" in arm["values"] or "1.5" in arm["values"]
    run.let_go("two")
    run.end()
    assert runs() == []
    (hub,) = run.hubs
    assert f"/hub/tiny/{hub.name}/" in ask(server, "/")[2]


def test_the_verb_says_its_address_and_ends_with_an_interrupt(folder):
    words = (sys.executable, "-m", "runner", "serve", folder, "--port", "0")
    serving = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    address = serving.stdout.readline().strip()
    port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", address)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/api/runs")
    assert json.load(connection.getresponse()) == []
    taken = subprocess.run(
        [*words[:-1], str(port)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert taken.returncode == 3
    assert "--port 0 takes a free one" in taken.stderr
    serving.send_signal(signal.SIGINT)
    assert serving.wait(60) == 0
