"""What an arm's own code may have written in the place of what it should leave."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from models.job import Events, Input, Job

STATE, TRACE = "arm/audit_step_000000.pt", "arm/audit_trace.npz"


class Executed:
    """Leaves a folder behind where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def job_of(folder, files):
    """An audit's job, with the files that are there."""
    inputs = {}
    for name, content in files.items():
        path = folder / name.replace("/", "_")
        path.write_bytes(content)
        inputs[name] = Input(path=path, sha256=hashlib.sha256(content).hexdigest())
    return Job(
        experiment="audit", name="hostile", parameters={}, seed=1, device="cpu", threads=1,
        determinism="native", inputs=inputs, sha256="",
    )  # fmt: skip


def report(workshop, part, files):
    """``audit.json`` of an audit of one part."""
    from models.audit.job import audit

    folder, parameters = workshop.fresh(), workshop.parameters(diagnostics={"audit_steps": 1})
    events = Events(folder / "events.jsonl")
    audit(job_of(folder, files), parameters.model_dump(mode="json"), [part], folder, events)
    return json.loads((folder / "audit.json").read_text())


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def archive(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def array_bytes(header, content=b""):
    """An NPY file that claims what ``header`` says."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + content


def state(weights):
    return saved({"weights": weights, "optimized": [], "state": {}})


SHARED = torch.zeros(1).expand(2**40)
"""A number that claims to be 4 TiB."""

STATES = {
    "shared": (lambda _mark: state({"head.linear.weight": SHARED}), "tensors of 4398046511104"),
    "sparse": (lambda _mark: state({"a": torch.zeros(3).to_sparse()}), "a is no plain tensor"),
    "no tensor": (lambda _mark: state({"a": [1]}), "a is no plain tensor"),
    "no table": (lambda _mark: saved([1]), "list indices"),
    "executes": (lambda mark: saved({"weights": Executed(mark)}), "Weights only load failed"),
    "old format": (lambda mark: pickle.dumps(Executed(mark)), "not a zip file"),
    "bomb": (lambda _mark: archive(data=bytes(2**22)), "it would unpack to 4194304 bytes"),
}

TRACES = {
    "objects": (
        lambda mark: archive(samples=array_bytes(
            {"descr": "|O", "fortran_order": False, "shape": (1,)}, pickle.dumps(Executed(mark))
        )),
        "samples.npy holds objects",
    ),
    "huge": (
        lambda _mark: archive(samples=array_bytes(
            {"descr": "<f8", "fortran_order": False, "shape": (2**20, 2**20)}
        )),
        "samples.npy claims to be [1048576, 1048576] in 128 bytes",
    ),
    "pickle": (lambda mark: pickle.dumps(Executed(mark)), "not a zip file"),
    "no array": (lambda _mark: archive(samples=b"no array"), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("kind", STATES)
def test_a_state_is_read_with_care(workshop, tmp_path, kind):
    make, said = STATES[kind]
    found = report(workshop, "start", {STATE: make(str(tmp_path / "executed"))})
    assert_refused(found, tmp_path, f"start: ValueError: {STATE} cannot be read: ", said)


@pytest.mark.parametrize("kind", TRACES)
def test_a_trace_is_read_with_care(workshop, tmp_path, kind):
    make, said = TRACES[kind]
    found = report(workshop, "totals", {TRACE: make(str(tmp_path / "executed"))})
    assert_refused(found, tmp_path, f"totals: ValueError: {TRACE} cannot be read: ", said)


def assert_refused(found, folder, beginning, said):
    """The audit failed for one reason, and nothing was executed."""
    (difference,) = found["differences"]
    assert difference.startswith(beginning)
    assert said in difference
    assert found["level"] == "failed"
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("content", "said"),
    [(b" " * 11, "11 bytes are no text"), (b"[" * 9, "Expecting"), (b"1", "no table")],
)
def test_a_text_is_read_with_care(tmp_path, monkeypatch, content, said):
    from models.audit import files

    monkeypatch.setattr(files, "TEXT_BYTES", 10)
    with pytest.raises(ValueError, match=f"arm/stats.json cannot be read: .*{said}"):
        files.Files(job_of(tmp_path, {"arm/stats.json": content})).json("arm/stats.json")


def test_what_is_missing_is_named(workshop):
    assert report(workshop, "totals", {})["differences"] == [
        f"totals: ValueError: {TRACE} cannot be read: {TRACE} is not there"
    ]
