"""An image goes into an archive as Docker saves it, and says so when it is gone."""

import subprocess

import pytest

from runner.errors import EngineError
from runner.image import save


def test_a_saved_image_is_the_one_that_was_asked_for_and_saves_the_same_again(
    client, image, tmp_path
):
    for name in ("one.tar", "two.tar"):
        save(client, image.id, tmp_path / name)
    listed = subprocess.run(
        ["tar", "-xOf", tmp_path / "one.tar", "manifest.json"], capture_output=True, check=True
    )
    assert image.id.removeprefix("sha256:") in listed.stdout.decode()
    assert (
        subprocess.run(["cmp", tmp_path / "one.tar", tmp_path / "two.tar"], check=False).returncode
        == 0
    )


def test_an_image_that_is_gone_is_named_with_the_way_out(client, tmp_path):
    gone = "sha256:" + "0" * 64
    with pytest.raises(EngineError, match=f"{gone} is not here any more; archive the hub without"):
        save(client, gone, tmp_path / "x.tar")
