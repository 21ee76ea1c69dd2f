"""Caches that nobody has used for long: listed, removed on request, left where they are used."""

import io
import json
import os
import time

import pytest
from filelock import FileLock

from runner.core.caches import DAY_S, mark_used
from runner.core.errors import EngineError
from runner.core.installation import SOURCES
from runner.engines.images.unused import unused_images
from tests.faults.phase import Begun, light_interpreter, manifest, phasehub

NAMES = (
    "code/one", "datasets/one", "datasets/two.work", "environments/one", "wheels/one",
)  # fmt: skip


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state folder with entries that were last used forty days ago, and others."""
    folder = tmp_path / "state"
    for name in (*NAMES, "code/new", "datasets/kept"):
        (folder / name / "inner").mkdir(parents=True)
        (folder / name / "inner" / "file").touch()
    for name in ("datasets/one.lock", "datasets/one.expected.json", "environments/.one.lock"):
        (folder / name).touch()
    for name in (*NAMES, "datasets/kept", "datasets/one.lock", "datasets/one.expected.json"):
        os.utime(folder / name, (time.time() - 40 * DAY_S,) * 2)
    (folder / "wheels" / "link").symlink_to(folder / "code" / "new")
    mark_used(folder / "datasets" / "kept")
    # Images are the daemon's, not this folder's; they are looked at below.
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere")
    monkeypatch.setenv("PHASEHUB_STATE", str(folder))
    return folder


def lines(*words):
    done = phasehub("clean", "--caches", *words)
    assert done.returncode == 0, done.stderr
    assert "images were not looked for" in done.stderr
    return done.stdout.splitlines()


def test_what_was_not_used_for_a_month_is_listed_and_removed_on_request(state):
    expected = [f"{state / name}, unused for 40 days" for name in NAMES]
    assert lines() == [f"would remove {one}" for one in expected]
    table = json.loads("\n".join(lines("--json")))
    assert table == [{"act": "would remove", "what": one} for one in expected]
    assert lines("--unused-days", "50") == []
    with FileLock(state / "environments" / ".one.lock"):
        assert [line.partition(":")[0] for line in lines("--yes")].count("in use") == 1
    assert lines("--yes") == [f"removed {expected[3]}"]
    left = {str(path.relative_to(state)) for path in state.glob("*/*")}
    assert {"code/new", "datasets/kept", "datasets/one.expected.json", "wheels/link"} <= left
    assert not left & set(NAMES)


def test_nothing_is_removed_while_a_run_is_under_way(state, tmp_path):
    run = Begun(tmp_path / "run", light_interpreter(tmp_path / "python"), manifest(one="held"))
    try:
        assert run.wait_for(lambda run: run.told("started", "one")), run.said.read_text()
        done = phasehub("clean", "--caches", "--yes", "--unused-days", "0")
        assert done.returncode == EngineError.exit_code
        assert "a run is under way" in done.stderr
        assert (state / NAMES[0]).is_dir()
        run.let_go("one")
        run.end()
    finally:
        run.end_all()


@pytest.mark.docker
def test_images_of_other_code_are_found_by_name_and_label():
    from runner.engines.daemon import connect

    try:
        client = connect()
    except EngineError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    recipe = b"FROM scratch\nLABEL phasehub.models=%s\nENV A=%d\n"
    tags = {"phasehub:cpu-of-a-test": b"other", "phasehub:cpu-of-nobody": b""}
    for number, (tag, models) in enumerate(tags.items()):
        text = recipe % (models, number) if models else b"FROM scratch\nENV A=7\n"
        client.images.build(fileobj=io.BytesIO(text), tag=tag, nocache=True)
    try:
        assert not {one.reference for one in unused_images(client, SOURCES, DAY_S)} & set(tags)
        found = {one.reference: one for one in unused_images(client, SOURCES, 0)}
        assert "phasehub:cpu-of-nobody" not in found
        assert found["phasehub:cpu-of-a-test"].remove()
        assert client.images.list("phasehub:cpu-of-a-test") == []
    finally:
        for tag in tags:
            if client.images.list(tag):
                client.images.remove(tag)
