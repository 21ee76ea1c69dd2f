"""An image goes into an archive as Docker saves it, and comes back without taking a name."""

import io
import subprocess
import tarfile
import uuid

import pytest

from runner.core.errors import EngineError
from runner.engines.images.archived import load
from runner.engines.images.build import save


@pytest.fixture
def layered(client, image):
    """The id of an image of two layers, a tenth of the size of the arms'."""
    container = client.containers.create(
        image.base_id, ["sh", "-c", "echo hello >/greeting"], network_mode="none"
    )
    try:
        container.start()
        assert container.wait()["StatusCode"] == 0
        made = container.commit("phasehub-test-layered", "1")
    finally:
        container.remove(force=True)
    yield made.id
    client.images.remove(made.id, force=True)


def test_a_saved_image_is_the_one_that_was_asked_for_and_saves_the_same_again(
    client, layered, tmp_path
):
    for name in ("one.tar", "two.tar"):
        save(client, layered, tmp_path / name)
    listed = subprocess.run(
        ["tar", "-xOf", tmp_path / "one.tar", "manifest.json"], capture_output=True, check=True
    )
    assert layered.removeprefix("sha256:") in listed.stdout.decode()
    assert (
        subprocess.run(["cmp", tmp_path / "one.tar", tmp_path / "two.tar"], check=False).returncode
        == 0
    )


def test_an_image_that_is_gone_is_named_with_the_way_out(client, tmp_path):
    gone = "sha256:" + "0" * 64
    with pytest.raises(EngineError, match=f"{gone} is not here any more; archive the hub without"):
        save(client, gone, tmp_path / "x.tar")


def imported(client, name, content):
    """An image of one file, a few hundred bytes; its id."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        info = tarfile.TarInfo("file")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    repository, _, tag = name.partition(":")
    client.api.import_image_from_data(layer.getvalue(), repository=repository, tag=tag)
    return client.images.get(name).id


@pytest.mark.parametrize("taken", [True, False])
def test_a_loaded_image_takes_no_name_from_another_and_brings_none(client, tmp_path, taken):
    name = f"phasehub-test-{uuid.uuid4().hex[:12]}:cpu"
    hostile = imported(client, name, uuid.uuid4().bytes)
    saved = tmp_path / "image.tar"
    with saved.open("wb") as file:
        file.writelines(client.images.get(name).save(named=name))
    client.images.remove(name)
    ours = imported(client, name, uuid.uuid4().bytes) if taken else None
    try:
        load(client, saved, hostile)
        assert client.images.get(hostile).tags == [f"phasehub-restored:{hostile[7:19]}"]
        named = [image.id for image in client.images.list() if name in image.tags]
        assert named == ([ours] if taken else [])
        load(client, saved, hostile)
        assert client.images.get(hostile).tags == [f"phasehub-restored:{hostile[7:19]}"]
    finally:
        client.images.remove(f"phasehub-restored:{hostile[7:19]}")
        if taken:
            client.images.remove(name)
