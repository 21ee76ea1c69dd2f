"""A hub is claimed, staged, sealed, found and verified on a real file system."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.core.digest import sha256_bytes
from runner.core.errors import EngineError, VerificationError
from runner.hub.layout import find_hubs, log_name, metrics_name, read, stage, verify, write_record

NOW = datetime(2026, 1, 30, 5, 0, 0, tzinfo=UTC)
FILES = {
    "README.md": b"# a hub\n",
    "arms/one/model.pt": bytes(range(256)),
    "arms/one/empty.log": b"",
    "arms/two/name with blanks.json": b"{}\n",
    "stage_a_arm_one.log": "größe φ\n".encode(),
}


def fill(folder: Path, files=FILES) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def sealed(artifacts: Path, files=FILES, phase="phase8", now=NOW) -> Path:
    staging = stage(artifacts, phase, now)
    fill(staging.path, files)
    return staging.seal()


def writable(path: Path) -> Path:
    path.chmod(0o644)
    return path


@pytest.fixture
def hub(tmp_path):
    return sealed(tmp_path)


# --- names ---------------------------------------------------------------------------------------


def test_logs_and_tables_have_the_names_of_the_study():
    assert log_name("stage_a", "stable_sgd") == "stage_a_arm_stable_sgd.log"
    assert log_name("stage_b", "deep_control") == "stage_b_deep_control.log"
    assert metrics_name("stage_a", "phase8") == "stage_a_metrics_phase8.json"


# --- staging and sealing -------------------------------------------------------------------------


def test_a_hub_is_named_by_its_time_in_utc(tmp_path):
    in_tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    staging = stage(tmp_path, "phase8", in_tokyo)
    assert staging.final == tmp_path / "phase8" / "2026-01-30T050000Z"
    assert staging.path == tmp_path / "phase8" / ".staging-2026-01-30T050000Z"
    assert staging.path.is_dir()
    assert not staging.final.exists()


def test_a_sealed_hub_has_its_final_name_and_no_staging_is_left(hub):
    assert hub.name == "2026-01-30T050000Z"
    assert [path.name for path in hub.parent.iterdir()] == [hub.name]


def test_a_second_that_is_staged_is_not_taken_again(tmp_path):
    first, second = stage(tmp_path, "p", NOW), stage(tmp_path, "p", NOW)
    assert (first.final.name, second.final.name) == ("2026-01-30T050000Z", "2026-01-30T050001Z")


def test_a_second_that_is_sealed_is_not_taken_again(hub, tmp_path):
    assert stage(tmp_path, "phase8", NOW).final.name == "2026-01-30T050001Z"
    assert not (hub.parent / ".staging-2026-01-30T050000Z").exists()


def test_runs_of_many_processes_in_one_second_do_not_clash(tmp_path):
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from runner.hub.layout import stage\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for number in range(5):\n"
        "    staging = stage(Path(sys.argv[1]), 'p', datetime(2026, 1, 30, 5, tzinfo=UTC))\n"
        "    (staging.path / 'mine').write_text(sys.argv[2] + str(number))\n"
        "    print(staging.seal())\n"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "abcd"
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    hubs = [Path(line) for racer in racers for line in racer.communicate()[0].split()]
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0]
    assert len(set(hubs)) == 20
    assert {hub.name for hub in hubs} == {f"2026-01-30T0500{s:02}Z" for s in range(20)}
    assert {(hub / "mine").read_text() for hub in hubs} == {
        n + str(i) for n in "abcd" for i in range(5)
    }
    assert all(verify(hub).intact for hub in hubs)


def test_threads_that_stage_at_once_get_a_second_each(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        stagings = list(pool.map(lambda _: stage(tmp_path, "p", NOW), range(40)))
    assert len({staging.path for staging in stagings}) == 40


def test_artifacts_that_cannot_be_written_are_an_error_with_a_remedy(tmp_path):
    (tmp_path / "artifacts").write_text("a file where a folder should be")
    with pytest.raises(
        EngineError, match=r"no hub can be written below .*; give another folder with --out"
    ):
        stage(tmp_path / "artifacts", "p", NOW)


def test_a_sealed_file_is_not_writable(hub):
    modes = {path.stat().st_mode & 0o222 for path in hub.rglob("*") if path.is_file()}
    assert modes == {0}


def test_checksums_are_sorted_by_bytes_and_cover_every_other_file(tmp_path):
    hub = sealed(tmp_path, {**FILES, "Z": b"", "a": b"", "arms.md": b"", "é": b""})
    lines = (hub / "SHA256SUMS").read_bytes().splitlines()
    names = [line[66:] for line in lines]
    assert names == sorted(names)
    assert set(names) == {name.encode() for name in [*FILES, "Z", "a", "arms.md", "é"]}


def test_sha256sum_accepts_the_hub_and_finds_a_flipped_byte(hub):
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    told = subprocess.run(command, cwd=hub, capture_output=True, text=True, check=False)
    assert told.returncode == 0
    assert told.stdout.count(": OK") == len(FILES)
    writable(hub / "README.md").write_bytes(b"# A hub\n")
    told = subprocess.run(command, cwd=hub, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "README.md: FAILED" in told.stdout


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (lambda f: (f / "arms/link").symlink_to("/etc/passwd"), "arms/link is a symbolic link"),
        (lambda f: (f / "folder").symlink_to("arms"), "folder is a symbolic link"),
        (lambda f: os.mkfifo(f / "pipe"), "pipe is not a regular file"),
        (lambda f: (f / "new\nline").touch(), r"'new\\nline' has a control character"),
        (lambda f: (f / "back\\slash").touch(), r"'back\\\\slash' has a control character"),
    ],
    ids=["link to a file", "link to a folder", "pipe", "newline", "backslash"],
)  # fmt: skip
def test_what_cannot_be_sealed_is_named_and_nothing_is_renamed(tmp_path, plant, told):
    staging = stage(tmp_path, "p", NOW)
    fill(staging.path)
    plant(staging.path)
    with pytest.raises(VerificationError, match=told):
        staging.seal()
    assert staging.path.is_dir()
    assert not staging.final.exists()


def test_a_seal_that_failed_can_be_repeated(tmp_path):
    staging = stage(tmp_path, "p", NOW)
    fill(staging.path)
    (staging.path / "link").symlink_to("README.md")
    with pytest.raises(VerificationError):
        staging.seal()
    (staging.path / "link").unlink()
    (staging.path / "SHA256SUMS").write_text("left by a run that was killed\n")
    assert verify(staging.seal()).intact


def test_sealing_does_not_write_through_a_link(tmp_path):
    staging = stage(tmp_path, "p", NOW)
    fill(staging.path)
    (tmp_path / "precious").write_text("mine")
    (staging.path / "SHA256SUMS").symlink_to(tmp_path / "precious")
    assert verify(staging.seal()).intact
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_final_name_that_is_taken_is_never_overwritten(tmp_path):
    staging = stage(tmp_path, "p", NOW)
    fill(staging.path)
    staging.final.mkdir()
    with pytest.raises(VerificationError, match="exists already; move it away"):
        staging.seal()
    assert list(staging.final.iterdir()) == []


# --- verification --------------------------------------------------------------------------------


def test_an_untouched_hub_is_intact(hub):
    found = verify(hub)
    assert found.intact
    assert found.num_files == len(FILES)
    assert found.describe() == f"{hub}: 5 files, all as sealed"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return sealed(tmp_path_factory.mktemp("pristine"))


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_flipped_bit_of_any_file_is_named_as_changed(pristine, data):
    name = data.draw(st.sampled_from([name for name, content in FILES.items() if content]))
    position = data.draw(st.integers(0, len(FILES[name]) - 1))
    bit = data.draw(st.integers(0, 7))
    content = bytearray(FILES[name])
    content[position] ^= 1 << bit
    try:
        writable(pristine / name).write_bytes(content)
        found = verify(pristine)
    finally:
        (pristine / name).write_bytes(FILES[name])
    assert (found.changed, found.missing, found.unexpected, found.malformed) == (
        (name,),
        (),
        (),
        (),
    )
    assert not found.intact


@pytest.mark.parametrize("name", FILES)
def test_a_removed_file_is_named_as_missing(hub, name):
    (hub / name).unlink()
    found = verify(hub)
    assert (found.changed, found.missing, found.unexpected) == ((), (name,), ())


@pytest.mark.parametrize("name", ["new", "arms/one/new", "arms/new/deep", "dataset/SHA256SUMS"])
def test_an_added_file_is_named_as_unexpected(hub, name):
    fill(hub, {name: b""})
    found = verify(hub)
    assert (found.changed, found.missing, found.unexpected) == ((), (), (name,))


def test_a_renamed_file_is_missing_and_unexpected(hub):
    (hub / "README.md").rename(hub / "ReadMe.md")
    found = verify(hub)
    assert (found.changed, found.missing, found.unexpected) == ((), ("README.md",), ("ReadMe.md",))


def test_a_hub_can_be_moved_and_touched(hub, tmp_path):
    moved = shutil.copytree(hub, tmp_path / "elsewhere")
    os.utime(moved / "README.md", (1, 1))
    writable(moved / "README.md")
    assert verify(moved).intact


def test_a_link_to_the_same_content_counts_as_changed(hub, tmp_path):
    (tmp_path / "copy").write_bytes(FILES["README.md"])
    (hub / "README.md").unlink()
    (hub / "README.md").symlink_to(tmp_path / "copy")
    assert verify(hub).changed == ("README.md",)


def test_an_added_link_is_unexpected_and_not_followed(hub):
    (hub / "loop").symlink_to(hub)
    assert verify(hub).unexpected == ("loop",)


def test_a_pipe_in_place_of_a_file_is_changed_and_not_waited_for(hub):
    (hub / "README.md").unlink()
    os.mkfifo(hub / "README.md")
    assert verify(hub).changed == ("README.md",)


def test_a_folder_in_place_of_a_file_makes_it_missing(hub):
    (hub / "README.md").unlink()
    (hub / "README.md").mkdir()
    assert verify(hub).missing == ("README.md",)


def test_what_is_wrong_is_told_apart_and_by_name(hub):
    writable(hub / "README.md").write_bytes(b"other")
    (hub / "arms/one/model.pt").unlink()
    (hub / "ex\ntra").touch()
    assert verify(hub).describe() == (
        f"{hub} is not as it was sealed\n"
        "  changed: README.md\n"
        "  missing: arms/one/model.pt\n"
        "  unexpected: 'ex\\ntra'\n"
        "Trust none of its numbers; take the hub from its archive, or run the phase again."
    )


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_of_the_checksums_themselves_never_passes(pristine, data):
    sums = pristine / "SHA256SUMS"
    before = sums.read_bytes()
    content = bytearray(before)
    content[data.draw(st.integers(0, len(before) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        writable(sums).write_bytes(content)
        found = verify(pristine)
    finally:
        sums.write_bytes(before)
    assert not found.intact


@given(keep=st.integers(1, 10_000))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_truncated_checksums_never_pass(pristine, keep):
    sums = pristine / "SHA256SUMS"
    before = sums.read_bytes()
    try:
        writable(sums).write_bytes(before[: keep % len(before)] or b"\n")
        found = verify(pristine)
    finally:
        sums.write_bytes(before)
    assert not found.intact
    assert found.unexpected


def test_a_line_that_was_cut_off_is_malformed(hub):
    sums = writable(hub / "SHA256SUMS")
    sums.write_bytes(sums.read_bytes()[:-1])
    found = verify(hub)
    assert found.malformed == ("line 5: cut off, the newline at the end is missing",)
    assert found.unexpected == ("stage_a_arm_one.log",)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("garbage", "line 1: not a digest, two blanks and a path: 'garbage'"),
        ("0" * 64 + "  ../secret", "line 1: the path '../secret' is not one inside the hub"),
        ("0" * 64 + "  /etc/passwd", "line 1: the path '/etc/passwd' is not one inside the hub"),
        ("0" * 64 + "  a//b", "line 1: the path 'a//b' is not one inside the hub"),
        ("0" * 64 + " *README.md", "line 1: not a digest"),
        ("A" * 64 + "  README.md", "line 1: not a digest"),
    ],
)
def test_a_malformed_line_is_named_with_its_number(hub, line, told):
    sums = writable(hub / "SHA256SUMS")
    sums.write_text(f"{line}\n{sums.read_text()}")
    found = verify(hub)
    assert len(found.malformed) == 1
    assert found.malformed[0].startswith(told)
    assert (found.changed, found.missing, found.unexpected) == ((), (), ())


def test_a_file_that_is_listed_twice_is_malformed(hub):
    sums = writable(hub / "SHA256SUMS")
    sums.write_text(sums.read_text() + sha256_bytes(b"x") + "  README.md\n")
    assert verify(hub).malformed == ("line 6: README.md is listed twice",)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda p: None, "is not a folder; give the folder of a sealed hub"),
        (lambda p: p.write_text("x"), "is not a folder; give the folder of a sealed hub"),
        (lambda p: p.mkdir(), "has no SHA256SUMS: it is not a hub, or it was never sealed"),
        (lambda p: fill(p, {"SHA256SUMS": b"", "a": b""}), "SHA256SUMS is empty"),
        (lambda p: fill(p, {"SHA256SUMS/a": b""}), "SHA256SUMS is not a regular file"),
        (
            lambda p: (p.mkdir(), (p / "SHA256SUMS").symlink_to("/dev/zero")),
            "is a symbolic link, and must be a file",
        ),
    ],
    ids=["nothing", "file", "empty folder", "empty sums", "folder of sums", "link"],
)
def test_a_folder_that_is_no_hub_is_said_to_be_none(tmp_path, make, told):
    make(tmp_path / "hub")
    with pytest.raises(VerificationError, match=told):
        verify(tmp_path / "hub")


def test_a_verification_error_exits_4():
    assert VerificationError.exit_code == 4


# --- finding and reading -------------------------------------------------------------------------


def test_sealed_hubs_are_found_by_phase_and_time(tmp_path):
    later = sealed(tmp_path, phase="phase10", now=NOW + timedelta(days=1))
    second = sealed(tmp_path, phase="phase8", now=NOW + timedelta(hours=1))
    first = sealed(tmp_path, phase="phase8")
    fill(stage(tmp_path, "phase8", NOW).path)
    fill(tmp_path / "phase8" / "notes", {"SHA256SUMS": b"x"})
    fill(tmp_path / "phase8" / "2026-01-30T060001Z", {"README.md": b"never sealed"})
    assert find_hubs(tmp_path) == [later, first, second]
    assert find_hubs(tmp_path, "phase8") == [first, second]
    assert find_hubs(tmp_path, "phase9") == []
    assert find_hubs(tmp_path / "nowhere") == []


def test_a_record_lists_every_file_and_reads_back_as_written(tmp_path, record):
    staging = stage(tmp_path, "phase8", NOW)
    fill(staging.path)
    fill(staging.path / "arms/stable_sgd", {"model.pt": b"weights", "job.json": b"{}"})
    fill(staging.path, {"manifest.toml": b"", "arms/stable_sgd/timing.json": b"{}"})
    written = write_record(staging.path, record)
    hub = staging.seal()
    assert read(hub) == written
    listed = {file.path: file for file in written.artifacts}
    sealed_names = {line[66:] for line in (hub / "SHA256SUMS").read_text().splitlines()}
    assert set(listed) == sealed_names - {"hub.json"}
    assert listed["arms/stable_sgd/model.pt"].sha256 == sha256_bytes(b"weights")
    assert listed["arms/stable_sgd/model.pt"].bytes == 7
    assert {name for name, file in listed.items() if file.deterministic} == {
        "manifest.toml",
        "arms/stable_sgd/model.pt",
        "arms/stable_sgd/job.json",
    }


def test_writing_a_record_again_gives_the_same_record(tmp_path, record):
    fill(tmp_path)
    assert write_record(tmp_path, record) == write_record(tmp_path, record)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"is not a hub: hub.json cannot be read \(No such file or directory\)"),
        (b"{", "hub.json is not valid JSON: Expecting property name"),
        (b"[]", "hub.json holds no table"),
        (b'{"schema_version": 2}', "has schema_version 2; this phasehub reads version 1"),
        (
            b'{"schema_version": 1}',
            "has no record that can be used: hub.json: phase: Field required",
        ),
    ],
)
def test_a_record_that_cannot_be_read_is_named_with_the_reason(tmp_path, content, told):
    if content is not None:
        (tmp_path / "hub.json").write_bytes(content)
    with pytest.raises(VerificationError, match=told):
        read(tmp_path)
