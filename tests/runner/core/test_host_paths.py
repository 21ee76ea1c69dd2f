"""Words in the place of folders."""

from pathlib import Path

import pytest

from runner.core.host_paths import Places
from runner.core.installation import SOURCES


@pytest.fixture
def places(monkeypatch):
    monkeypatch.setenv("HOME", "/home/mary")
    monkeypatch.setenv("PHASEHUB_STATE", "/home/mary/state")
    return Places(
        project=Path("/data/study"),
        hub=Path("/data/hubs/.staging-1"),
        artifacts=Path("/data/hubs"),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/data/hubs/.staging-1/hub.json is missing", "<hub>/hub.json is missing"),
        ("--out=/data/hubs", "--out=<artifacts>"),
        ("'/data/hubs'; and /data/hubs.", "'<artifacts>'; and <artifacts>."),
        ("file:///home/mary/x", "file://~/x"),
        ("/home/mary/state/code", "<state>/code"),
        ("/home/maryann and /home/mary.old stay", "/home/maryann and /home/mary.old stay"),
        ("./data/hubs stays", "./data/hubs stays"),
        ("/data/study/manifests", "<project>/manifests"),
        (f"{SOURCES}/models", "<phasehub>/models"),
        ("nothing", "nothing"),
    ],
)
def test_a_word_stands_for_each_folder(places, text, told):
    assert places.hide(text) == told


def test_every_text_of_a_value_is_looked_at(places):
    value = {"/data/hubs": [1, None, {"a": "/data/hubs/b"}], "b": True, "c": 0.5}
    assert places.hidden(value) == {
        "<artifacts>": [1, None, {"a": "<artifacts>/b"}], "b": True, "c": 0.5
    }  # fmt: skip


def test_the_root_of_all_paths_stands_for_nothing():
    assert Places(artifacts=Path("/")).hide("/etc / usr") == "/etc / usr"
    assert Places(artifacts=Path("/srv")).hide("/srv/x") == "<artifacts>/x"


def test_a_folder_behind_a_link_is_known_by_both_names(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    places = Places(hub=tmp_path / "link")
    assert places.hide(f"{tmp_path}/link/a {tmp_path}/real/b") == "<hub>/a <hub>/b"


def test_a_checkout_that_is_the_project_too_is_called_the_project():
    assert Places().hide(f"{SOURCES}/models") == "<phasehub>/models"
    assert Places(project=SOURCES).hide(f"{SOURCES}/models") == "<project>/models"
