"""``import phasehub``: what a hub says as plain values, and one error for whatever is bad."""

import doctest
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import phasehub
from runner.hub.checksums import write_checksums

ROOT = Path(__file__).parents[2]


def test_the_examples_of_the_docstring_are_what_comes_out(artifacts, monkeypatch):
    monkeypatch.chdir(artifacts.parent)
    found = doctest.testmod(phasehub)
    assert (found.attempted > 5, found.failed) == (True, 0)


def test_a_row_has_what_an_arm_is_its_knobs_and_its_scores(artifacts):
    hub = phasehub.open(artifacts / "tiny" / "2026-11-22T104255Z")
    first, second = hub.rows()
    assert list(first) == list(second)
    assert (first["arm"], first["status"], first["collapsed"]) == ("one", "succeeded", False)
    assert (first["train.learning_rate"], second["train.learning_rate"]) == (0.001, 0.002)
    assert first["amp_ssim"] == hub.arms[0].scores["amp_ssim"] == 0.03724097020938123
    assert first["amp_ms_ssim"] is None
    assert "too small" in hub.arm("one").null_reasons["amp_ms_ssim"]
    assert not any(isinstance(value, dict) for value in first.values())
    with pytest.raises(KeyError, match=r"'three' is no arm of tiny/.* \['one', 'two'\]"):
        hub.arm("three")


def test_values_that_are_changed_by_a_program_are_its_own(artifacts):
    arm = phasehub.open(artifacts / "tiny" / "2026-11-22T104255Z").arms[0]
    arm.parameters["train"]["learning_rate"] = 7
    arm.row["seed"] = 8
    assert (arm.parameters["train"]["learning_rate"], arm.row["seed"]) == (0.001, 7)


def test_arrays_are_had_by_name(artifacts):
    arm = phasehub.open(artifacts / "tiny" / "2026-11-22T104255Z").arm("two")
    assert arm.array_files == ("audit_trace", "recon")
    assert arm.arrays()["amplitude"].shape == (36, 36)
    assert arm.arrays("audit_trace")["losses"].dtype == np.float64


def test_a_changed_file_is_refused_when_it_is_read_and_not_before(hub_folder):
    history = hub_folder / "arms" / "one" / "history.json"
    history.write_text(history.read_text().replace("0.001", "0.002"))
    hub = phasehub.open(hub_folder)
    assert hub.arm("two").history["learning_rate"] == (0.002,)
    with pytest.raises(phasehub.HubError, match=r"arms/one/history\.json is not as it was sealed"):
        _ = hub.arm("one").history
    with pytest.raises(phasehub.HubError, match=r"changed: arms/one/history\.json"):
        hub.verify()
    (hub_folder / "hub.json").write_bytes(b"{}")
    with pytest.raises(phasehub.HubError, match=r"hub\.json is not as it was sealed"):
        phasehub.open(hub_folder)


def test_a_file_that_a_study_did_not_keep_is_named(hub_folder):
    (hub_folder / "arms" / "one" / "recon.npz").unlink()
    arm = phasehub.open(hub_folder).arm("one")
    with pytest.raises(phasehub.HubError, match=r"recon\.npz was sealed and is not here"):
        arm.arrays()


def test_no_name_leads_out_of_the_hub(hub_folder):
    hub = phasehub.open(hub_folder)
    secret = hub_folder.parent / "secret"
    secret.write_text("x")
    for path in ("../secret", str(secret), "", "arms", "arms/../../secret"):
        with pytest.raises(phasehub.HubError, match="is none of the"):
            hub.read(path)
    (hub_folder / "arms" / "one" / "stats.json").unlink()
    (hub_folder / "arms" / "one" / "stats.json").symlink_to(secret)
    with pytest.raises(phasehub.HubError, match="symbolic link"):
        hub.arm("one").read("stats.json")


class Planted:
    def __reduce__(self):
        return os.mkdir, ("planted",)


def npz(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def header(shape, dtype="'<f8'"):
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


HOSTILE_ARRAYS = {
    "objects": lambda: npz(a=header((1,), "'|O'") + pickle.dumps(Planted())),
    "a claim": lambda: npz(a=header((2**40,))),
    "negative": lambda: npz(a=header((-1, -1))),
    "no header": lambda: npz(a=b""),
    "no archive": lambda: b"PK\x03\x04 of nothing",
    "cut off": lambda: npz(a=header((1,)) + bytes(8))[:-30],
}


@pytest.mark.parametrize("content", HOSTILE_ARRAYS.values(), ids=HOSTILE_ARRAYS)
def test_hostile_arrays_are_refused_and_nothing_in_them_runs(hub_folder, content, monkeypatch):
    monkeypatch.chdir(hub_folder.parent)
    (hub_folder / "arms" / "one" / "recon.npz").write_bytes(content())
    write_checksums(hub_folder)
    with pytest.raises(phasehub.HubError, match=r"recon\.npz cannot be read as arrays: "):
        phasehub.open(hub_folder).arm("one").arrays()
    assert not Path("planted").exists()


def test_a_file_that_would_unpack_to_too_much_is_not_unpacked(hub_folder, monkeypatch):
    monkeypatch.setattr("phasehub.arrays.MOST_BYTES", 1000)
    (hub_folder / "arms" / "one" / "recon.npz").write_bytes(npz(a=header((200,)) + bytes(1600)))
    write_checksums(hub_folder)
    with pytest.raises(phasehub.HubError, match=r"it would unpack to 1,728 bytes, and 1,000 are"):
        phasehub.open(hub_folder).arm("one").arrays()


HOSTILE_HISTORIES = {
    "a list": "[]",
    "words": '{"val_loss": ["x"]}',
    "a table too deep": '{"a": {"b": {"c": [1.0]}}}',
    "nan": '{"a": [NaN]}',
    "one name twice": '{"a": {"b": [1.0]}, "a.b": [2.0]}',
    "flags": '{"a": [true]}',
}


@pytest.mark.parametrize("text", HOSTILE_HISTORIES.values(), ids=HOSTILE_HISTORIES)
def test_a_history_that_is_none_is_an_error_that_names_it(hub_folder, text):
    (hub_folder / "arms" / "one" / "history.json").write_text(text)
    write_checksums(hub_folder)
    with pytest.raises(phasehub.HubError, match=r"arms/one/history\.json"):
        _ = phasehub.open(hub_folder).arm("one").history


@pytest.mark.parametrize("what", ["", "nowhere", "artifacts"])
def test_what_is_no_hub_is_said_to_be_none(what, tmp_path):
    (tmp_path / "artifacts").mkdir()
    with pytest.raises(phasehub.HubError, match=r"no SHA256SUMS|is not a folder"):
        phasehub.open(tmp_path / what)


def test_a_folder_of_hubs_is_opened_and_a_broken_one_hides_no_other(hub_folder):
    broken = hub_folder.with_name("2026-11-23T000000Z")
    broken.mkdir()
    (broken / "SHA256SUMS").write_text("")
    hubs = phasehub.open_all(hub_folder.parents[1])
    assert list(hubs) == ["tiny/2026-11-22T104255Z"]
    assert [(row["hub"], row["phase"], row["arm"]) for row in hubs.rows()] == [
        ("tiny/2026-11-22T104255Z", "tiny", "one"), ("tiny/2026-11-22T104255Z", "tiny", "two")
    ]  # fmt: skip
    assert "is empty" in hubs.broken[broken]
    with pytest.raises(phasehub.HubError, match="is no folder"):
        phasehub.open_all(hub_folder / "hub.json")


def test_a_library_that_is_missing_is_named_with_its_extra(artifacts, monkeypatch):
    hub = phasehub.open(artifacts / "tiny" / "2026-11-22T104255Z")
    for name in ("pandas", "xarray", "numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    for use, name in ((hub.to_pandas, "pandas"), (hub.histories, "pandas"),
                      (hub.to_xarray, "numpy"), (hub.arms[0].arrays, "numpy")):  # fmt: skip
        with pytest.raises(phasehub.ExtraError, match=rf"phasehub\[{name}\]"):
            use()


BESIDE = """
import json, sys
import phasehub
hub = phasehub.open(sys.argv[1])
assert hub.verify() == len(hub.files)
import models, runner
assert (models.WHOSE, runner.WHOSE) == ("mine", "mine")
own = [name for name in sys.modules if name.partition(".")[0] in ("models", "runner")]
print(json.dumps([sorted(own), "numpy" in sys.modules, "phasehub._own.runner" in sys.modules]))
"""


def test_it_is_used_beside_packages_of_the_same_names(artifacts, tmp_path):
    for name in ("models", "runner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("WHOSE = 'mine'\n")
    (tmp_path / "script.py").write_text(BESIDE)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", artifacts / "tiny" / "2026-11-22T104255Z"],
        capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["models", "runner"], False, True]
