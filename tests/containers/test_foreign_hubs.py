"""Hubs of a hostile sender at a real daemon: what is built, fetched, loaded and granted."""

import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import uuid
from pathlib import Path

import pytest

from runner.core.errors import EngineError
from runner.core.installation import state_dir
from runner.engines.images.archived import load
from runner.engines.images.build import build
from runner.hub import layout

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
TINY = """
schema_version = 1
phase = { name = "tiny", title = "A phase for tests", question = "Is it the same?", seed = 7 }
resources.threads = 1
[dataset]
object_size = 48
patch_size = 16
train_stride = 8
test_stride = 8
[model]
hidden_channels = 2
modes = 3
fno_blocks = 2
[train]
epochs = 1
inference_batch_size = 4
[audit]
level = "read back"
[[arms]]
name = "one"
"""


def phasehub(*arguments, state):
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=ROOT, env=os.environ | {"PHASEHUB_STATE": str(state)},
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original")
    (folder / "tiny.toml").write_text(TINY)
    done = phasehub(
        *("run", folder / "tiny.toml", "--engine", "process", "--python", sys.executable),
        *("--out", folder / "artifacts"), state=folder / "state",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture
def foreign(original, tmp_path):
    """A copy that can be changed."""
    folder = tmp_path / "hubs" / "tiny" / original.name
    shutil.copytree(original, folder)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@pytest.fixture
def reproduce(foreign, tmp_path):
    def run(*options, state=None):
        return phasehub(
            *("reproduce", foreign, "--engine", "docker", "--out", tmp_path / "again", *options),
            state=state or state_dir(),
        )

    return run


@pytest.fixture
def loopback():
    """A server on this machine's loopback, and the paths that were asked of it."""
    asked = []

    class Canary(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"fetched")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Canary) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


def change_dockerfile(folder, before, after):
    path = folder / "code/Dockerfile"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_code_of_others_runs_in_a_container_without_a_word(
    client, reproduce, foreign, tmp_path, seal_anew
):
    """The canary is written where the code runs: not here."""
    canary = tmp_path / "canary"
    path = foreign / "code/models/__init__.py"
    path.write_text(
        f"try:\n    open({str(canary)!r}, 'w')\nexcept OSError:\n    pass\n" + path.read_text()
    )
    seal_anew(foreign)
    done = reproduce()
    assert done.returncode == 0, done.stderr
    assert "code       NOT THIS ONE'S" in done.stderr
    assert "engine     docker: in containers" in done.stderr
    assert "to be built by phasehub's Dockerfile" in done.stderr
    assert not canary.exists()
    made = Path(done.stdout.splitlines()[-1])
    client.images.remove(json.loads((made / layout.RECORD).read_bytes())["image"]["id"], force=True)


def test_a_dockerfile_that_is_not_phasehub_s_is_not_built(reproduce, foreign, loopback, seal_anew):
    port, asked = loopback
    change_dockerfile(
        foreign,
        "WORKDIR /opt/phasehub",
        f"ADD http://127.0.0.1:{port}/secret /secret\nWORKDIR /opt/phasehub",
    )
    seal_anew(foreign)
    digest = hashlib.sha256((foreign / "code/Dockerfile").read_bytes()).hexdigest()
    done = reproduce()
    assert done.returncode == 8, done.stderr
    assert f"built by its own Dockerfile, {digest}, which is none of phasehub's" in done.stderr
    assert done.stderr.rstrip().endswith("add --allow-dockerfile")
    done = reproduce("--allow-dockerfile")
    assert done.returncode == 3, done.stderr
    assert "Dockerfile is refused: line " in done.stderr
    assert "ADD is not taken" in done.stderr
    assert asked == []


def test_one_that_is_allowed_is_built_without_a_network(
    client, reproduce, foreign, loopback, seal_anew
):
    port, asked = loopback
    change_dockerfile(
        foreign,
        "RUN python -m compileall",
        "RUN python -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:"
        f"{port}/x')\" || echo no network\nRUN python -m compileall",
    )
    seal_anew(foreign)
    done = reproduce("--allow-dockerfile")
    assert done.returncode == 0, done.stderr
    assert "to be built by the hub's OWN DOCKERFILE" in done.stderr
    assert asked == []
    made = Path(done.stdout.splitlines()[-1])
    client.images.remove(json.loads((made / layout.RECORD).read_bytes())["image"]["id"], force=True)


def test_a_base_image_is_not_fetched_from_where_the_hub_says(
    reproduce, foreign, loopback, seal_anew
):
    port, asked = loopback
    manifest = foreign / layout.MANIFEST
    manifest.write_text(f'image.base = "127.0.0.1:{port}/base:1"\n' + manifest.read_text())
    seal_anew(foreign)
    done = reproduce()
    assert done.returncode == 8, done.stderr
    assert "FETCHED FROM A REGISTRY THAT THE HUB NAMES" in done.stderr
    assert done.stderr.rstrip().endswith("add --allow-base-image")
    assert asked == []
    done = reproduce("--allow-base-image")
    assert done.returncode == 3, "there is a base image where none should be"
    assert asked != [], "the canary would not have been asked either way"


def test_options_in_the_lock_reach_no_pip(reproduce, foreign, tmp_path, seal_anew):
    """The attack in full: a source package whose build writes a file, found by a hidden option."""
    canary, shop = tmp_path / "canary", tmp_path / "shop"
    shop.mkdir()
    sdist = shop / "evil-1.0.tar.gz"
    with tarfile.open(sdist, "w:gz") as tar:
        for name, text in {
            "PKG-INFO": "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
            'backend-path = ["."]\n',
            "backend.py": f"open({str(canary)!r}, 'w').close()\n",
        }.items():
            entry = tarfile.TarInfo(f"evil-1.0/{name}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
    lock = foreign / "code/models/requirements-cpu.txt"
    lock.write_text(
        f"evil==1.0 --hash=sha256:{digest}\n# see\f--no-binary=evil\n# and\f--find-links={shop}\n"
    )
    seal_anew(foreign)
    done = reproduce(state=tmp_path / "state")
    assert done.returncode == 4, done.stderr
    assert "requirements-cpu.txt: line 2 holds byte 0x0c" in done.stderr
    # Even pins alone that only a source package has: nothing is built.
    lock.write_text(f"evil==1.0 --hash=sha256:{digest}\n")
    seal_anew(foreign)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PIP_FIND_LINKS", str(shop))
        patched.setenv("PIP_NO_BINARY", ":all:")
        patched.setenv("PIP_NO_INDEX", "1")
        done = reproduce(state=tmp_path / "state")
    assert done.returncode == 3, done.stderr
    assert "No matching distribution found for evil==1.0" in done.stderr
    assert not canary.exists()


# --- images --------------------------------------------------------------------------------------


def made_image(client, changes):
    """An image of one file with its own instructions; its id."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        content = uuid.uuid4().bytes
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    name = f"phasehub-test-{uuid.uuid4().hex[:12]}"
    client.api.import_image_from_data(layer.getvalue(), repository=name, tag="1", changes=changes)
    return f"{name}:1", client.images.get(f"{name}:1").id


@pytest.mark.parametrize(
    ("change", "told"), [("VOLUME /x", "declares volumes"), ("ONBUILD RUN true", "ONBUILD")]
)
def test_an_image_that_writes_past_its_limits_or_runs_in_builds_is_refused(
    client, tmp_path, change, told
):
    name, identity = made_image(client, [change])
    saved = tmp_path / "image.tar"
    with saved.open("wb") as file:
        file.writelines(client.images.get(name).save(named=name))
    try:
        with pytest.raises(EngineError, match=told):
            build("cpu", base=name, cache=tmp_path / "cache", say=print, root=ROOT)
        client.images.remove(name)
        with pytest.raises(EngineError, match=told):
            load(client, saved, identity)
        assert identity not in {image.id for image in client.images.list(all=True)}
    finally:
        if identity in {image.id for image in client.images.list()}:
            client.images.remove(identity, force=True)


def test_an_archive_with_another_image_or_more_of_them_brings_only_the_one(client, tmp_path):
    made = [made_image(client, []) for _ in range(2)]
    saved = tmp_path / "image.tar"
    subprocess.run(
        ["docker", "save", "-o", saved, *(name for name, _ in made)], check=True, timeout=120
    )
    for name, _ in made:
        client.images.remove(name)
    with pytest.raises(ValueError, match="does not hold the image sha256:0000"):
        load(client, saved, "sha256:" + "0" * 64)
    wanted, other = made[0][1], made[1][1]
    load(client, saved, wanted)
    try:
        present = {image.id for image in client.images.list(all=True)}
        assert wanted in present
        assert other not in present
    finally:
        client.images.remove(wanted, force=True)


def packed(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize(
    "members",
    [
        [],
        [("manifest.json", b"[" * 100_000)],
        [("manifest.json", b"{}")],
        [("manifest.json", b'[{"Config": "../../etc/passwd", "Layers": []}]')],
        [("manifest.json", b'[{"Config": "a", "Layers": ["/etc/passwd"]}]')],
        [("manifest.json", b'[{"Config": "a", "Layers": []}]'), ("a", "/etc/passwd")],
        [("manifest.json", "manifest.json")],
        [("manifest.json", "b"), ("b", "manifest.json")],
    ],
)
def test_a_file_that_is_no_saved_image_is_refused(client, tmp_path, members):
    packed(tmp_path / "image.tar", members)
    with pytest.raises(ValueError, match=r".+"):
        load(client, tmp_path / "image.tar", "sha256:" + "0" * 64)
