"""A sealed hub is run again from what it carries, and every difference is named."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from pydantic import TypeAdapter

from runner.commands.reproduction import rerun
from runner.core.digest import pretty_json, sha256_file
from runner.core.errors import EngineError
from runner.core.names import SafeName
from runner.hub import layout
from runner.hub.checksums import write_checksums
from runner.hub.records.again import DifferingFact, ReproducedFile, ReproductionRecord
from runner.report.reproduction import verdict, what_differs
from runner.verify.consistency import inconsistencies
from runner.verify.sealed_hub import SealedHub
from tests.fuzz.seeds import unpacked

ROOT = Path(__file__).parents[3]
BROKEN = """
[[arms]]
name = "broken"
command = ["python", "-c", "raise SystemExit(1)"]
"""


def phasehub(*arguments, python=sys.executable):
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments, "--python", python],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def state(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PHASEHUB_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def original(tmp_path_factory, state, tiny_manifest):
    """A phase with an arm that fails, compared with an earlier one."""
    folder = tmp_path_factory.mktemp("original")

    def run(name, compare_with, manifest):
        path = folder / f"{name}.toml"
        text = manifest.replace('"tiny"', f'"{name}"\ncompare_with = {compare_with}')
        native = text.replace("threads = 1", 'threads = 1\ndeterminism = "native"')
        path.write_text(native)
        return phasehub("run", path, "--engine", "process", "--out", folder / "artifacts")

    without_the_second_arm = tiny_manifest.rpartition("[[arms]]")[0]
    done = run("earlier", "[]", without_the_second_arm)
    assert done.returncode == 0, done.stderr
    done = run("tiny", '["earlier"]', tiny_manifest + BROKEN)
    assert done.returncode == 1, done.stderr
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture
def copy(original, tmp_path):
    """The hub on a machine that has nothing else of the phase: no manifest, no data."""
    folder = tmp_path / "elsewhere" / "tiny" / original.name
    shutil.copytree(original, folder)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def reproduction(folder):
    return json.loads((folder / layout.RECORD).read_bytes())["reproduction"]


def test_a_hub_comes_out_again_bit_by_bit(copy, tmp_path):
    done = phasehub("reproduce", copy, "--out", tmp_path / "again")
    assert done.returncode == 0, done.stderr
    made = Path(done.stdout.splitlines()[-1])
    assert made.parent == tmp_path / "again" / "tiny"
    assert layout.verify(made).intact
    assert inconsistencies(SealedHub(folder=made)) == ()
    told = reproduction(made)
    assert (told["outcome"], told["facts"], told["reasons"]) == ("identical", [], [])
    assert "broken was not run again: the original failed" in done.stderr
    statistics = json.loads((made / layout.STATISTICS).read_bytes())
    assert "earlier" in json.dumps(statistics), "the compared hub was not there again"
    simulated = json.loads((made / layout.RECORD).read_bytes())["dataset"]
    assert simulated["cached"] is False, "the data came from the cache of the first run"
    assert told["hub_sha256"] == sha256_file(copy / "SHA256SUMS")
    compared = {file["path"] for file in told["files"]}
    assert {"dataset/train.npz", "arms/one/model.pt", "arms/two/recon.png", "losses.png"} < compared
    assert layout.STATISTICS in compared
    assert not any(path.startswith(("code/", "manifest")) for path in compared)
    assert f"identical: all {len(compared)} deterministic files" in done.stderr
    result = json.loads((made / "test-result.json").read_bytes())
    assert result["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert result["predicate"]["result"] == "PASSED"
    assert result["subject"][0]["digest"] == {"sha256": told["hub_sha256"]}
    assert set(result["predicate"]["passedTests"]) == compared


def test_a_reproduction_is_no_hub_of_the_phase(copy):
    done = phasehub("reproduce", copy, "--arm", "one")
    assert done.returncode == 0, done.stderr
    made = Path(done.stdout.splitlines()[-1])
    assert made.parent == copy.parents[1] / "reproductions" / "tiny"
    assert layout.find_hubs(copy.parents[1]) == [copy]
    told = reproduction(made)
    assert told["arms"] == ["one"]
    assert all(file["path"].startswith(("arms/one/", "dataset/")) for file in told["files"])
    (note,) = (one for one in layout.read(made).notes if one.startswith("no statistics"))
    assert note.endswith("they are made only where all arms are run again")


def test_a_pixel_that_was_changed_and_sealed_anew_is_named(copy, tmp_path, seal_anew):
    path = copy / "arms/one/recon.png"
    with PIL.Image.open(path) as image:
        pixels = np.array(image.convert("RGB"))
    pixels[3, 4] ^= 255
    PIL.Image.fromarray(pixels).save(path)
    seal_anew(copy)
    done = phasehub("reproduce", copy, "--arm", "one", "--out", tmp_path / "again")
    assert done.returncode == 4, done.stderr
    assert "different, and the environments agree" in done.stderr
    made = Path(done.stdout.splitlines()[-1])
    (differing,) = (file for file in reproduction(made)["files"] if file["before"] != file["after"])
    assert differing["path"] == "arms/one/recon.png"
    assert differing["finding"]["place"].startswith("pixel in row 3, column 4")
    assert differing["finding"]["differing"] == 1
    for page in ("summary.md", "report.html"):
        assert "pixel in row 3, column 4" in (made / page).read_text()
    result = json.loads((made / "test-result.json").read_bytes())["predicate"]
    assert (result["result"], result["failedTests"]) == ("FAILED", ["arms/one/recon.png"])


def test_a_variable_that_selects_other_kernels_is_named_with_the_first_weight(copy, tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nATEN_CPU_CAPABILITY=default exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    words = ("--arm", "two", "--out", tmp_path / "again", "--json")
    done = phasehub("reproduce", copy, *words, python=python)
    assert done.returncode == 4, done.stderr
    assert "variables.ATEN_CPU_CAPABILITY: none → default" in done.stderr
    assert "facts differ" in done.stderr
    table = json.loads(done.stdout)
    told = table["reproduction"]
    assert told == reproduction(Path(table["hub"]))
    findings = {file["path"]: file["finding"] for file in told["files"]}
    weights = findings["arms/two/model.pt"]
    assert weights["place"].startswith("tensor ")
    assert weights["ulp"] >= 1
    assert findings["arms/two/history.json"]["place"].startswith("epoch 0: ")


def test_a_byte_of_the_carried_source_is_named_before_anything_runs(copy):
    path = copy / "code/models/nets/spectral.py"
    path.write_bytes(path.read_bytes().replace(b"Multiply", b"multiply", 1))
    done = phasehub("reproduce", copy)
    assert done.returncode == 4
    assert "code/models/nets/spectral.py" in done.stderr
    write_checksums(copy)
    done = phasehub("reproduce", copy)
    assert done.returncode == 4
    assert "code/models is not what hub.json says that the jobs ran" in done.stderr
    assert not (copy.parents[1] / "reproductions").exists()


def test_an_arm_that_the_hub_does_not_have(copy):
    done = phasehub("reproduce", copy, "--arm", "thre")
    assert done.returncode == 4
    assert "has no arm 'thre'; arms are one, two, broken" in done.stderr


@pytest.mark.parametrize("asked", [("broken",), ("one", "broken")])
def test_an_arm_whose_original_left_no_results_cannot_be_asked_for(copy, tmp_path, asked):
    options = [word for arm in asked for word in ("--arm", arm)]
    done = phasehub("reproduce", copy, *options, "--out", tmp_path / "again")
    assert done.returncode == 4, done.stderr
    assert "broken left no results (failed)" in done.stderr
    assert "--arm takes one, two" in done.stderr
    assert "a bug" not in done.stderr
    assert not (tmp_path / "again").exists()


def test_a_hub_without_code_says_what_to_check_out(copy, seal_anew):
    shutil.rmtree(copy / "code")
    table = json.loads((copy / layout.RECORD).read_bytes())
    table["artifacts"] = [f for f in table["artifacts"] if not f["path"].startswith("code/")]
    (copy / layout.RECORD).write_bytes(pretty_json(table))
    for name, key in ((layout.PROVENANCE, "subject"), (layout.CRATE, "@graph")):
        table = json.loads((copy / name).read_bytes())
        table[key] = [one for one in table[key] if not str(one.get("name")).startswith("code/")]
        (copy / name).write_bytes(pretty_json(table))
    seal_anew(copy)
    done = phasehub("reproduce", copy)
    assert done.returncode == 4
    assert "does not carry the code that it was run with; check out commit" in done.stderr


def test_a_hub_of_a_gpu_is_not_told_of_an_option_that_reproduce_does_not_have(
    tmp_path, monkeypatch
):
    (made,) = [one for one in unpacked(tmp_path) if one.folder.parts[-3] == "tiny"]
    monkeypatch.setattr(rerun, "computes_on", lambda plan: "cuda")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(EngineError) as caught:
        rerun.reproduce(rerun.ReproduceRequest(hub=made.folder))
    told = str(caught.value)
    assert told.startswith(f"{made.name} was made on a GPU: this machine has no NVIDIA GPU")
    assert "or use another machine: on a CPU other bits come out" in told
    assert "or run with --device cpu" not in told


def test_a_folder_that_cannot_be_written_leaves_nothing(copy, tmp_path):
    (tmp_path / "file").write_text("")
    done = phasehub("reproduce", copy, "--out", tmp_path / "file")
    assert done.returncode == 3
    assert "no hub can be written below" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"file", "elsewhere"}


# --- wording -------------------------------------------------------------------------------------

SAME = ReproducedFile(path="a", before="0" * 64, after="0" * 64)
OTHER = ReproducedFile(path="b", before="0" * 64, after="1" * 64)
FACT = DifferingFact(name="cpu.model", before="A", after="B", told="cpu.model: A → B")


def record(outcome, files, facts=(), reasons=()):
    return ReproductionRecord(
        hub="p/1", hub_sha256="2" * 64, outcome=outcome, arms=("one",), image="none",
        files=files, facts=facts, reasons=reasons,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            record("identical", (SAME,)),
            "identical: all 1 deterministic files are those of p/1, and the environments agree",
        ),
        (
            record("identical", (SAME,), (FACT,)),
            "identical: all 1 deterministic files are those of p/1, although the environments "
            "differ in 1 fact",
        ),
        (
            record("different", (SAME, OTHER)),
            "different, and the environments agree: 1 of 2 deterministic files have the same "
            "bytes; this is a defect of the code, of phasehub or of a machine",
        ),
        (
            record("different", (SAME, OTHER), (FACT,)),
            "different, and this fact differs: cpu.model: A → B (1 of 2 deterministic files have "
            "the same bytes)",
        ),
        (
            record("not_comparable", (SAME,), (), ("arm one: it failed",)),
            "not comparable: arm one: it failed (1 of 1 deterministic files have the same bytes)",
        ),
    ],
)
def test_each_answer_in_words(made, words):
    assert verdict(made) == words


def test_what_differs_is_told_with_both_values_and_the_distance():
    finding = {
        "place": "tensor w, element [0]", "before": "1.0", "after": "1.5", "ulp": 4194304,
        "differing": 1, "total": 2, "unit": "elements",
    }  # fmt: skip
    assert what_differs(OTHER.model_copy(update={"finding": finding})) == (
        "tensor w, element [0]: 1.0 → 1.5, 4,194,304 ULP; 1 of 2 elements differ"
    )
    assert what_differs(OTHER) == "other bytes"
    assert what_differs(SAME) == "identical"
    assert what_differs(SAME.model_copy(update={"after": None})) == "not made again"


@pytest.mark.parametrize("name", ["..", "../x", "/x", "A", "", "a\n"])
def test_a_name_that_would_lead_out_of_the_hub_is_no_value(name):
    safe = TypeAdapter(SafeName)
    assert safe.validate_python("hybrid-lr2e-2") == "hybrid-lr2e-2"
    with pytest.raises(ValueError, match="expected a safe file name"):
        safe.validate_python(name)
