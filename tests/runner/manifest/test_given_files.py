"""Measured probes in manifests: paths become digests, and every bad file is told at its line."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from models.config import Parameters
from runner.core.digest import sha256_bytes
from runner.core.errors import ManifestError
from runner.manifest.given_files import LARGEST_BYTES
from runner.manifest.model import load
from runner.plan.make import make_plan
from runner.plan.model import digest

MANIFEST = """\
schema_version = 1
[phase]
name = "probed"
title = "One arm"
question = "Is the probe found?"
seed = 7
[dataset]
probe = "file"
probe_file = "measured/probe.npz"
[[arms]]
name = "one"
"""


def archive(*keys: str) -> bytes:
    """A file with the keys of an NPZ; what the host looks at."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as content:
        for key in keys:
            content.writestr(zipfile.ZipInfo(f"{key}.npy"), b"array")
    return stream.getvalue()


PROBE = archive("probeGuess")


@pytest.fixture
def write(tmp_path):
    def write(text: str = MANIFEST, probe: bytes | None = PROBE) -> Path:
        (tmp_path / "measured").mkdir(exist_ok=True)
        if probe is not None:
            (tmp_path / "measured" / "probe.npz").write_bytes(probe)
        path = tmp_path / "probed.toml"
        path.write_text(text)
        return path

    return write


def problem(path: Path) -> str:
    with pytest.raises(ManifestError) as error:
        load(path)
    return str(error.value).replace(str(path.parent), "DIR")


def test_a_path_becomes_the_digest_of_the_bytes(write):
    loaded = load(write())
    (arm,) = loaded.variant().arms
    dataset = arm.parameters.dataset
    assert (dataset.probe, dataset.probe_sha256) == ("file", sha256_bytes(PROBE))
    assert dataset.probe_defocus is None
    assert {d: p.name for d, p in loaded.given.items()} == {sha256_bytes(PROBE): "probe.npz"}


def test_the_plan_depends_on_the_bytes_and_not_on_the_path(write, tmp_path):
    plan = make_plan(load(write()))
    assert "measured" not in plan.model_dump_json()
    (tmp_path / "elsewhere.npz").write_bytes(PROBE)
    moved = make_plan(load(write(MANIFEST.replace("measured/probe", "elsewhere"))))
    other = make_plan(load(write(probe=archive("probeGuess", "objectGuess"))))
    assert digest(moved) == digest(plan) != digest(other)


def test_a_profile_may_name_another_probe(write, tmp_path):
    (tmp_path / "small.npz").write_bytes(archive("probeGuess", "x"))
    text = MANIFEST + '[profiles.quick.dataset]\nprobe_file = "small.npz"\n'
    loaded = load(write(text))
    full, quick = (make_plan(loaded, profile=name).datasets[0] for name in (None, "quick"))
    wanted = [sha256_bytes(PROBE), sha256_bytes(archive("probeGuess", "x"))]
    assert [job.parameters["dataset"]["probe_sha256"] for job in (full, quick)] == wanted
    assert set(loaded.given) == set(wanted)


def test_a_manifest_without_a_probe_reads_no_file(write):
    text = MANIFEST.replace('probe = "file"\nprobe_file = "measured/probe.npz"\n', "")
    loaded = load(write(text, probe=None))
    assert loaded.given == {}
    assert make_plan(loaded).datasets[0].parameters["dataset"]["probe_sha256"] is None


FRAME = '\n    9 | probe_file = "measured/probe.npz"'


def test_a_file_that_is_missing_is_told_at_its_line(write):
    assert problem(write(probe=None)) == (
        "DIR/probed.toml:9: dataset.probe_file: no such file: DIR/measured/probe.npz; paths are "
        "relative to the manifest's folder" + FRAME
    )


def test_a_file_without_the_key_names_the_keys_that_it_has(write):
    assert problem(write(probe=archive("probe", "objectGuess"))) == (
        "DIR/probed.toml:9: dataset.probe_file: measured/probe.npz has no probeGuess; its keys "
        "are objectGuess, probe" + FRAME
    )
    assert "; its keys are none" in problem(write(probe=archive()))


def test_a_file_that_is_no_archive_is_refused(write):
    assert problem(write(probe=b"\x93NUMPY")) == (
        "DIR/probed.toml:9: dataset.probe_file: measured/probe.npz is no NPZ file; write it with "
        "numpy.savez" + FRAME
    )


def test_a_file_that_is_too_large_for_a_hub_is_refused(write):
    assert problem(write(probe=PROBE + bytes(LARGEST_BYTES))) == (
        f"DIR/probed.toml:9: dataset.probe_file: measured/probe.npz has "
        f"{len(PROBE) + LARGEST_BYTES} bytes, and a probe at most {LARGEST_BYTES}; save probeGuess "
        "into a file of its own" + FRAME
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("3", "got 3; expected the path of an NPZ file"),
        ('""', "got ''; expected the path of an NPZ file"),
        ("1979-05-27", "got 1979-05-27; dates mean nothing here: write it in quotes"),
        (
            f'"{"x" * 300}"',
            f"'{'x' * 58}… cannot be read: File name too long; give a file that can",
        ),
    ],
)
def test_a_value_that_is_no_path_is_refused(write, value, told):
    text = problem(write(MANIFEST.replace('"measured/probe.npz"', value)))
    assert text.splitlines()[0] == f"DIR/probed.toml:9: dataset.probe_file: {told}"


def test_a_file_belongs_to_the_probe_of_that_kind_alone(write):
    assert problem(write(MANIFEST.replace('probe = "file"', 'probe = "ideal_disk"'))) == (
        "DIR/probed.toml:9: dataset.probe_file: probe_file belongs to probe 'file' and to no "
        "other; remove it" + FRAME
    )


def test_a_measured_probe_needs_its_file(write):
    text = MANIFEST.replace('probe_file = "measured/probe.npz"\n', "")
    assert problem(write(text)) == (
        "DIR/probed.toml:8: dataset.probe: probe_file belongs to probe 'file' and to no other; "
        'give it\n    8 | probe = "file"'
    )


def test_the_digest_is_nobody_s_to_state(write):
    text = MANIFEST.replace("probe_file = ", f'probe_sha256 = "{"0" * 64}"\nprobe_file = ')
    assert problem(write(text)).splitlines()[0] == (
        "DIR/probed.toml:9: dataset.probe_sha256: unknown key; it follows from the bytes of "
        "probe_file: remove it"
    )


def test_everything_is_told_at_once(write):
    text = MANIFEST.replace("[[arms]]", "photons = 0\n[[arms]]")
    lines = [line for line in problem(write(text, probe=None)).splitlines() if line[0] != " "]
    assert [line.split(": ")[1] for line in lines] == ["dataset.probe_file", "dataset.photons"]


def test_a_job_with_a_digest_alone_is_complete():
    table = {"dataset": {"probe": "file", "probe_sha256": "a" * 64}}
    assert Parameters.model_validate(table).dataset.probe_sha256 == "a" * 64


@pytest.mark.parametrize("kind", ["link", "link to a device", "fifo", "folder"])
def test_what_is_no_regular_file_is_refused_without_waiting(write, kind, tmp_path):
    manifest, path = write(), tmp_path / "measured" / "probe.npz"
    path.rename(path.with_name("other.npz"))
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("other.npz" if kind == "link" else "/dev/zero")
    told = "is a symbolic link, and must be a file" if "link" in kind else "is not a regular file"
    assert problem(manifest) == (
        f"DIR/probed.toml:9: dataset.probe_file: 'measured/probe.npz': probe.npz {told}; give the "
        "path of the file itself" + FRAME
    )


def test_a_path_may_lead_out_of_the_folder_where_everyone_sees_it(write, tmp_path):
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured" / "probe.npz").write_bytes(PROBE)
    inner = tmp_path / "manifests"
    inner.mkdir()
    for given in ("../measured/probe.npz", str(tmp_path / "measured" / "probe.npz")):
        path = inner / "probed.toml"
        path.write_text(MANIFEST.replace("measured/probe.npz", given))
        assert set(load(path).given) == {sha256_bytes(PROBE)}


def test_a_path_that_no_file_can_have_is_refused(write):
    told = problem(write(MANIFEST.replace("measured/", "a\\u0000b/"))).splitlines()[0]
    assert told.startswith(
        "DIR/probed.toml:9: dataset.probe_file: 'a\\x00b/probe.npz': embedded null"
    )


def test_an_archive_of_very_many_keys_is_refused(write):
    many = archive("probeGuess", *(f"k{index}" for index in range(1000)))
    assert problem(write(probe=many)) == (
        "DIR/probed.toml:9: dataset.probe_file: measured/probe.npz has more than 1000 entries; "
        "save probeGuess into a file alone" + FRAME
    )


@pytest.mark.parametrize("at", range(0, len(PROBE), 3))
@pytest.mark.parametrize("byte", [0, 255])
def test_a_damaged_archive_is_a_probe_or_a_mistake(write, at, byte):
    damaged = PROBE[:at] + bytes([byte]) + PROBE[at + 1 :]
    told = ""
    try:
        load(write(probe=damaged))
    except ManifestError as error:
        told = str(error)
    assert not told or "dataset.probe_file: measured/probe.npz " in told
