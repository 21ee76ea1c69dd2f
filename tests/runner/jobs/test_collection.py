"""An output folder is believed only as far as its digests go."""

import json
import os

import pytest

from runner.core.digest import sha256_bytes
from runner.core.reading import read_table
from runner.jobs.collection import collect

JOB = "a" * 64
GOOD = {"metrics.json": b"{}\n", "plots/loss.png": b"\x89PNG", "empty": b""}


def listing(files, /, **changed):
    rows = [
        {
            "path": name,
            "sha256": sha256_bytes(content),
            "bytes": len(content),
            "deterministic": True,
        }
        for name, content in sorted(files.items())
    ]
    return {"schema_version": 1, "experiment": "train", "job_sha256": JOB, "files": rows} | changed


def telling(**changed):
    return json.dumps(listing(GOOD, **changed)).encode()


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    for name, content in GOOD.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    tell(folder, listing(GOOD))
    return folder


def tell(folder, result):
    (folder / "result.json").write_text(json.dumps(result))


def taken(out, tmp_path):
    return collect(out, tmp_path / "kept", experiment="train", job_sha256=JOB)


def kept(tmp_path):
    root = tmp_path / "kept"
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}


def test_a_valid_output_is_copied_with_its_result(out, tmp_path):
    collected = taken(out, tmp_path)
    assert collected.problems == ()
    assert {file.path for file in collected.files} == set(GOOD)
    assert kept(tmp_path) == {*GOOD, "result.json"}
    assert all((tmp_path / "kept" / name).read_bytes() == GOOD[name] for name in GOOD)


def test_a_copy_does_not_share_its_bytes_with_the_output(out, tmp_path):
    taken(out, tmp_path)
    (out / "metrics.json").write_bytes(b"changed by a job that lives on")
    assert (tmp_path / "kept" / "metrics.json").read_bytes() == GOOD["metrics.json"]


SPOILED = {
    "other bytes": (
        lambda out: (out / "metrics.json").write_bytes(b"[]\n"),
        "metrics.json does not have the digest",
        "metrics.json",
    ),
    "longer": (
        lambda out: (out / "metrics.json").write_bytes(b"{}\n\n"),
        "metrics.json does not have the 3 bytes",
        "metrics.json",
    ),
    "emptied": (
        lambda out: (out / "metrics.json").write_bytes(b""),
        "metrics.json does not have the 3 bytes",
        "metrics.json",
    ),
    "removed": (
        lambda out: (out / "empty").unlink(),
        "'empty' is listed in result.json and is not there",
        "empty",
    ),
    "added": (
        lambda out: (out / "plots" / "extra").touch(),
        "plots/extra is not listed in result.json",
        None,
    ),
    "link": (
        lambda out: (out / "link").symlink_to("/etc/passwd"),
        "link is a symbolic link",
        None,
    ),
    "pipe": (lambda out: os.mkfifo(out / "pipe"), "pipe is not a regular file", None),
    "newline": (lambda out: (out / "a\nb").touch(), r"'a\nb' has a control character", None),
}


@pytest.mark.parametrize(("spoil", "told", "lost"), SPOILED.values(), ids=SPOILED)
def test_one_bad_file_is_named_and_the_rest_is_kept(out, tmp_path, spoil, told, lost):
    spoil(out)
    collected = taken(out, tmp_path)
    assert len(collected.problems) == 1
    assert told in collected.describe()
    assert {file.path for file in collected.files} == set(GOOD) - {lost}
    assert kept(tmp_path) == {*GOOD, "result.json"} - {lost}


def test_a_listed_link_is_refused_although_its_target_has_the_digest(out, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(GOOD["metrics.json"])
    (out / "metrics.json").unlink()
    (out / "metrics.json").symlink_to(secret)
    assert "metrics.json is a symbolic link" in taken(out, tmp_path).describe()
    assert "metrics.json" not in kept(tmp_path)


@pytest.mark.parametrize("name", ["a\nb", "back\\slash"])
def test_a_listed_name_that_does_not_print_is_refused(out, tmp_path, name):
    (out / name).write_bytes(b"x")
    tell(out, listing(GOOD | {name: b"x"}))
    told = taken(out, tmp_path).describe()
    assert told.startswith("result.json: files.")
    assert "has a control character or a backslash" in told
    assert kept(tmp_path) == set()


def test_a_file_behind_a_linked_folder_is_refused(out, tmp_path):
    (out / "plots").rename(tmp_path / "plots")
    (out / "plots").symlink_to(tmp_path / "plots")
    told = taken(out, tmp_path).describe()
    assert "plots is a symbolic link" in told
    assert "'plots/loss.png' is listed in result.json and is not there" in told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../secret", "does not stay inside its folder"),
        ("plots/../metrics.json", "does not stay inside its folder"),
        ("/etc/hostname", "is absolute"),
        ("./metrics.json", "does not stay inside its folder"),
        ("plots//loss.png", "does not stay inside its folder"),
        ("", "is empty"),
        ("e\u0301", "composed form"),
        ("x" * 256, "longer than 255 bytes"),
    ],
)
def test_a_path_that_does_not_stay_inside_is_refused_with_all_of_it(out, tmp_path, name, told):
    (tmp_path / "secret").write_bytes(b"x")
    tell(out, listing(GOOD | {name: b"x"}))
    collected = taken(out, tmp_path)
    assert collected.describe().startswith("result.json: files.")
    assert told in collected.describe()
    assert kept(tmp_path) == set()


@pytest.mark.parametrize("name", ["job.json", "result.json"])
def test_a_name_that_the_runner_gives_is_refused(out, tmp_path, name):
    tell(out, listing(GOOD | {name: b"x"}))
    assert f"lists {name}, a name that the runner gives" in taken(out, tmp_path).describe()


def test_a_path_that_is_too_deep_is_refused(out, tmp_path):
    name = "d/" * 8 + "file"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_bytes(b"x")
    tell(out, listing(GOOD | {name: b"x"}))
    assert "more than 8 folders deep" in taken(out, tmp_path).describe()


def test_a_file_that_is_listed_twice_is_told(out, tmp_path):
    result = listing(GOOD)
    result["files"].append(result["files"][0])
    tell(out, result)
    assert taken(out, tmp_path).problems == ("result.json lists a file twice",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "result.json is missing: the job ended before its output was complete"),
        (b"", "result.json is empty: the job ended before its output was complete"),
        (b'{"schema_version": 1', "result.json is not valid JSON: Expecting"),
        (b"\xff\xfe", "result.json is not valid JSON: is not UTF-8: byte 0"),
        (b"[" * 10**6, "result.json is not valid JSON: is nested more than 64 levels"),
        (b"[]", "result.json holds no table"),
        (telling(schema_version=2), "result.json: schema_version: Input should be 1"),
        (telling(files=[{}]), "result.json: files.0.path: Field required"),
        (telling(extra=1), "result.json: extra: unknown key"),
        (telling(job_sha256="b" * 64), "result.json speaks of another job"),
        (telling(experiment="simulate"), "result.json speaks of another job"),
    ],
)
def test_without_a_valid_result_nothing_is_kept_and_the_reason_is_told(
    out, tmp_path, content, told
):
    (out / "result.json").unlink()
    if content is not None:
        (out / "result.json").write_bytes(content)
    collected = taken(out, tmp_path)
    assert collected.files == ()
    assert told in collected.describe()
    assert kept(tmp_path) == set()


@pytest.mark.parametrize("target", ["/etc/passwd", "metrics.json", "nowhere"])
def test_a_result_that_is_a_link_is_refused(out, tmp_path, target):
    (out / "result.json").unlink()
    (out / "result.json").symlink_to(target)
    assert "result.json is a symbolic link" in taken(out, tmp_path).describe()


def test_a_result_that_is_a_pipe_is_refused_and_not_waited_for(out, tmp_path):
    (out / "result.json").unlink()
    os.mkfifo(out / "result.json")
    assert "result.json is not a regular file" in taken(out, tmp_path).describe()


def test_a_result_without_end_is_refused(out, tmp_path):
    with (out / "result.json").open("r+b") as file:
        file.truncate(2**40)
    assert "result.json is larger than" in taken(out, tmp_path).describe()


def test_a_file_that_is_larger_than_told_is_not_copied_to_its_end(out, tmp_path):
    with (out / "metrics.json").open("r+b") as file:
        file.truncate(2**40)
    assert "metrics.json does not have the 3 bytes" in taken(out, tmp_path).describe()


def test_an_output_folder_that_was_removed_is_told(tmp_path):
    assert "result.json is missing" in taken(tmp_path / "out", tmp_path).describe()


def test_many_problems_are_told_by_the_first_ones_and_a_number(out, tmp_path):
    for number in range(25):
        (out / f"extra{number:02}").touch()
    told = taken(out, tmp_path).describe()
    assert told.startswith("extra00 is not listed in result.json; extra01")
    assert told.endswith("; and 15 more")


def test_a_table_is_read_strictly(tmp_path):
    path = tmp_path / "stats.json"
    path.write_text('{"amp_ssim": 0.9}')
    assert read_table(tmp_path, path.name) == {"amp_ssim": 0.9}
    path.write_text('{"amp_ssim": NaN}')
    with pytest.raises(ValueError, match=r"stats\.json is not valid JSON: holds NaN"):
        read_table(tmp_path, path.name)
    path.unlink()
    with pytest.raises(ValueError, match=r"stats\.json is missing"):
        read_table(tmp_path, path.name)
