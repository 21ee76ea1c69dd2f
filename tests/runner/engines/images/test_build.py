"""What the image's recipe says, without a daemon: stages, context, the base's archive."""

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from runner.core.errors import EngineError
from runner.core.installation import SOURCES
from runner.engines.images.base import LOCAL_BASE, dockerfile_base
from runner.engines.images.base import _pack as pack_base
from runner.engines.images.dockerfile import parse_recipe
from runner.engines.images.stage import DOCKERFILE, _follow, _pack, stages_of

TEXT = (SOURCES / DOCKERFILE).read_text("utf-8")


def names(text):
    return re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE)


def test_the_environment_is_built_of_its_own_stages():
    assert names(stages_of(parse_recipe(TEXT), "environment", {})) == ["installer", "environment"]


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_a_changed_source_does_not_ask_for_the_wheels(variant):
    text = stages_of(parse_recipe(TEXT), variant, {"ENVIRONMENT": "phasehub-environment:cpu-1"})
    assert names(text) == ["models", variant]
    assert "wheels" not in text.partition("FROM")[2]


def test_by_hand_one_build_makes_everything():
    assert names(stages_of(parse_recipe(TEXT), "cpu", {})) == [
        "installer",
        "environment",
        "models",
        "cpu",
    ]


def test_a_stage_that_is_missing_is_named():
    with pytest.raises(EngineError, match="no stage gpu"):
        stages_of(parse_recipe(TEXT), "gpu", {})


def test_the_dockerfile_keeps_its_promises():
    assert dockerfile_base() == "python:3.11-slim-bookworm"
    assert "--mount" not in TEXT
    assert "<<" not in TEXT
    assert "--no-index" in TEXT
    assert "--require-hashes" in TEXT
    copied = re.findall(r"^COPY (?:--from=\S+ )?(\S+)", TEXT, re.MULTILINE)
    assert copied == ["${LOCK}", "${WHEELS}", "/opt/venv", "models"]
    assert re.findall(r"^USER (\S+)", TEXT, re.MULTILINE) == ["10001:10001"]


def packed(tmp_path):
    context = io.BytesIO()
    _pack(context, "FROM scratch\n", {"models": tmp_path / "models", "lock.txt": tmp_path / "lock"})
    return context.getvalue()


def test_a_context_has_what_it_was_given_and_follows_from_its_content(tmp_path):
    (tmp_path / "models" / "nets").mkdir(parents=True)
    (tmp_path / "models" / "nets" / "blocks.py").write_text("WIDTH = 32\n")
    (tmp_path / "lock").write_text("numpy\n")
    first = packed(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        assert tar.getnames() == [
            *("Dockerfile", "models", "models/nets", "models/nets/blocks.py", "lock.txt")
        ]
    (tmp_path / "lock").touch()
    (tmp_path / "lock").chmod(0o600)
    assert packed(tmp_path) == first
    (tmp_path / "lock").write_text("scipy\n")
    assert packed(tmp_path) != first


def test_the_last_image_of_each_stage_but_the_last_is_what_can_be_removed():
    said = ["Step 1/4 : FROM a AS b\n", " ---> 111111111111\n", "Step 2/4 : RUN true\n"]
    said += [" ---> Running in 999999999999\n", " ---> 222222222222\n", "Step 3/4 : FROM a AS c\n"]
    said += [" ---> 111111111111\n", "Step 4/4 : COPY --from=b / /\n", " ---> 333333333333\n"]
    assert _follow(({"stream": line} for line in said), "x", lambda _: None) == ["222222222222"]


def test_a_base_made_of_the_same_packages_has_the_same_identity(tmp_path):
    layer = tmp_path / "layer.tar"
    layer.write_bytes(b"a file system")
    digests = []
    for name in ("one", "two"):
        pack_base(layer, tmp_path / name)
        with tarfile.open(tmp_path / name) as tar:
            manifest = json.load(tar.extractfile("manifest.json"))
            config = tar.extractfile(manifest[0]["Config"]).read()
            assert tar.extractfile("layer.tar").read() == b"a file system"
        assert manifest[0]["RepoTags"] == [LOCAL_BASE]
        assert json.loads(config)["rootfs"]["diff_ids"] == [
            "sha256:" + hashlib.sha256(b"a file system").hexdigest()
        ]
        digests.append(hashlib.sha256(config).hexdigest())
    assert digests[0] == digests[1] == Path(manifest[0]["Config"]).stem
