"""Arms that are not run again: taken from sealed hubs, by content, and only from sound ones."""

import json
import re
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from runner.core.errors import VerificationError
from runner.hub import layout
from runner.hub.checksums import CHECKSUMS
from runner.hub.journal import tables
from runner.phase import reuse
from runner.phase.sources import UNSIGNED, ArmSource, find_sources
from runner.phase.unfinished import journal
from runner.verify.consistency import inconsistencies
from runner.verify.content_key import WORDS, differing, of_sealed
from runner.verify.registration.registered_runs import counts
from runner.verify.sealed_hub import SealedHub
from tests.fuzz.folders import digests, put, reseal
from tests.runner.conftest import ROOT

LONGEST_S = 900.0
SET = ("--set", "train.epochs=1")


def sealed(folder):
    return SealedHub(folder=folder)


def phasehub(*words):
    return subprocess.run(
        [sys.executable, "-m", "runner", *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


class Disturbed:
    """A run that reuses one arm of two; it is killed then, and a file of that arm is changed.

    Its manifest says otherwise, and what is set over it makes that arm the same.
    """

    def __init__(self, folder, manifest, source):
        self.source, self.artifacts = source, folder / "artifacts"
        (folder / "tiny.toml").write_text(manifest)
        self.said = self.killed_after_reuse(folder / "tiny.toml", folder / "stderr")
        (self.staging,) = layout.all_staged(self.artifacts)
        self.lines = [*journal(self.staging)]
        weights = self.staging.path / "arms" / "one" / "model.pt"
        assert weights.stat().st_nlink == 1
        weights.write_bytes(b"other weights")
        done = phasehub("resume", "--out", self.artifacts)
        assert done.returncode == 0, done.stderr
        self.said_then, self.hub = done.stderr, Path(done.stdout.splitlines()[-1])

    def killed_after_reuse(self, manifest, said):
        words = ("run", manifest, "--engine", "process", "--python", sys.executable)
        asked = ("--out", self.artifacts, "--reuse", self.source, "--why", "two", *SET)
        with said.open("wb") as stream:
            runner = subprocess.Popen(
                [sys.executable, "-m", "runner", *words, *asked], cwd=ROOT, stderr=stream
            )
        deadline = time.monotonic() + LONGEST_S
        while not any(self.artifacts.glob("tiny/.run-*/arms/one.json")):
            assert runner.poll() is None, said.read_text()
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.01)
        while not any(self.artifacts.glob("tiny/.staging-*/.attempts/two/1")):
            assert runner.poll() is None, said.read_text()
            time.sleep(0.01)
        runner.kill()
        runner.wait()
        return said.read_text()


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory, tiny_hubs, audited_manifest):
    changed = audited_manifest.replace("2e-3", "5e-3").replace("epochs = 1", "epochs = 2")
    return Disturbed(tmp_path_factory.mktemp("reused"), changed, tiny_hubs[0])


def test_an_arm_that_has_all_in_common_is_taken_and_the_other_one_is_run(disturbed):
    record, theirs = layout.read(disturbed.hub), layout.read(disturbed.source)
    one, before = record.arm("one"), theirs.arm("one")
    assert one.reused is not None
    assert one.reused.hub == f"tiny/{disturbed.source.name}"
    assert one.reused.checksums_sha256 == sealed(disturbed.source).sha256
    assert (one.reused.attempt, one.reused.signature) == (1, UNSIGNED)
    assert (one.status, one.level, one.attempts) == ("succeeded", "audited", 0)
    same = ("files", "stats", "rules", "audit", "started", "wall_s", "final_weights_sha256")
    assert [getattr(one, name) for name in same] == [getattr(before, name) for name in same]
    two = record.arm("two")
    assert (two.reused, two.status) == (None, "succeeded")
    assert two.attempts >= 1


def test_its_files_are_copies_and_the_hub_agrees_with_itself(disturbed):
    for folder in ("arms/one", "audits/one"):
        for path in (disturbed.source / folder).rglob("*"):
            copy = disturbed.hub / path.relative_to(disturbed.source)
            assert copy.is_dir() or copy.read_bytes() == path.read_bytes()
            assert copy.is_dir() or copy.stat().st_nlink == 1
    assert layout.verify(disturbed.hub).intact
    assert inconsistencies(sealed(disturbed.hub)) == ()


def test_a_run_that_goes_on_holds_it_against_its_digests_and_takes_it_again(disturbed):
    assert "one is run again: model.pt is not as it was" in disturbed.said_then
    assert "one: reused from tiny/" in disturbed.said_then
    events = [(line["event"], line.get("name")) for line in disturbed.lines]
    assert events.count(("reused", "one")) == 1
    assert ("concluded", "one") in events
    assert ("intended", "one") not in events


def test_why_names_each_component_with_both_digests(disturbed):
    (line,) = re.findall(r"two, \S+: parameters \(.*", disturbed.said)
    assert re.search(r"differs: [0-9a-f]{64} here, [0-9a-f]{64} there", line)
    for name in ("code", "packages", "dataset", "execution"):
        assert re.search(rf"two, \S+: {name} \(.*\): the same, [0-9a-f]{{64}}", disturbed.said)


def test_pages_say_where_it_was_run(disturbed):
    for page in ("README.md", "summary.md", "report.html"):
        text = (disturbed.hub / page).read_text()
        assert f"one was not run here but reused from tiny/{disturbed.source.name}" in text


def test_it_counts_for_no_registered_finding(disturbed):
    record = layout.read(disturbed.hub)
    assert not counts(record.arm("one"), "read back")
    assert counts(record.arm("two"), "read back")


def test_such_a_hub_is_run_again_to_the_same_bits(disturbed, tmp_path):
    done = phasehub(
        *("reproduce", disturbed.hub, "--engine", "process", "--python", sys.executable),
        *("--out", tmp_path / "again"),
    )
    assert done.returncode == 0, done.stderr
    again = layout.read(Path(done.stdout.splitlines()[-1]))
    assert again.reproduction.outcome == "identical"
    assert again.set_knobs == {"train.epochs": 1}
    assert again.arm("one").attempts == 1
    assert again.arm("one").reused is None


def test_the_hub_says_when_the_run_was_gone_on_with_and_is_held_to_its_journal(disturbed):
    record = layout.read(disturbed.hub)
    (resumed,) = [line for line in tables(disturbed.hub) if line["event"] == "resumed"]
    (told,) = record.resumed
    assert abs(datetime.fromisoformat(told).timestamp() - resumed["time"]) < 0.001
    said = f"interrupted and resumed once: {told[:10]}"
    assert said in (disturbed.hub / "report.html").read_text()
    assert said in phasehub("show", disturbed.hub).stdout
    assert "resumed" not in json.loads((disturbed.source / "hub.json").read_text())
    forged = sealed(disturbed.hub)
    other = {"resumed": (record.started, *record.resumed)}
    forged.__dict__["record"] = record.model_copy(update=other)
    (wrong,) = inconsistencies(forged)
    assert "resumed at other times" in wrong


# --- what was set over the manifest --------------------------------------------------------------


def test_what_was_set_is_in_plan_and_hub_beside_the_manifest_as_it_was_written(disturbed):
    hub = sealed(disturbed.hub)
    assert hub.record.set_knobs == hub.plan.set_knobs == {"train.epochs": 1}
    assert all(arm.parameters["train"]["epochs"] == 1 for arm in hub.record.arms)
    manifest = disturbed.artifacts.parent / "tiny.toml"
    assert (disturbed.hub / "manifest.toml").read_bytes() == manifest.read_bytes()
    assert b"epochs = 2" in manifest.read_bytes()
    for page in ("README.md", "summary.md", "report.html"):
        assert "train.epochs=1" in (disturbed.hub / page).read_text().replace("\\", "")


def test_what_was_set_is_part_of_what_differs_between_two_hubs(disturbed):
    done = phasehub("diff", disturbed.source, disturbed.hub)
    assert "set over the manifest" in done.stdout
    assert "train.epochs" in done.stdout


def test_a_hub_that_does_not_say_what_its_plan_says_was_set_contradicts_itself(disturbed):
    forged = sealed(disturbed.hub)
    forged.__dict__["record"] = forged.record.model_copy(update={"set_knobs": {}})
    (wrong,) = inconsistencies(forged)
    assert "do not say the same of what was set by --set" in wrong
    forged = sealed(disturbed.hub)
    other = {"set_knobs": {"train.epochs": 2}}
    forged.__dict__["record"] = forged.record.model_copy(update=other)
    forged.__dict__["plan"] = forged.plan.model_copy(update=other)
    assert inconsistencies(forged) == tuple(
        f"arm {name}: train.epochs was set by --set, and plan.json has another"
        for name in ("one", "two")
    )


def test_a_record_is_held_to_what_it_says_it_has_in_common(disturbed):
    hub = sealed(disturbed.hub)
    one = hub.record.arm("one")
    key = one.reused.key | {"code": "0" * 64}
    other = one.model_copy(update={"reused": one.reused.model_copy(update={"key": key})})
    rest = tuple(arm for arm in hub.record.arms if arm.name != "one")
    forged = sealed(disturbed.hub)
    forged.__dict__["record"] = hub.record.model_copy(update={"arms": (other, *rest)})
    assert inconsistencies(forged) == (
        f"arm one was reused, and {WORDS['code']} are not those of this hub",
    )


# --- before the run -------------------------------------------------------------------------------


def foreseen(tmp_path, manifest, *words, code=0):
    (tmp_path / "tiny.toml").write_text(manifest)
    done = phasehub("plan", tmp_path / "tiny.toml", "--engine", "process", *words)
    assert done.returncode == code, done.stderr
    assert not (tmp_path / "artifacts").exists()
    return done.stdout if code == 0 else done.stderr


def test_a_plan_says_before_the_run_what_would_be_taken_and_why_not(
    tiny_hubs, audited_manifest, tmp_path
):
    changed = audited_manifest.replace("2e-3", "5e-3")
    words = ("--reuse", tiny_hubs[0], "--why", "two")
    told = foreseen(tmp_path, changed, *words).splitlines()
    later = "if image, packages, dataset and job are the same when it runs"
    assert f"one: taken from {tiny_hubs[0]}, {later}" in told
    (line,) = [line for line in told if line.startswith("two: runs; ")]
    assert "parameters differs: " in line
    assert any(re.match(r" +parameters \(.*differs: [0-9a-f]{64} here", line) for line in told)
    for name in ("code", "execution", "machine"):
        assert any(re.match(rf" +{name} \(.*the same, [0-9a-f]{{64}}", line) for line in told)
    assert any(re.match(r" +dataset \(.*is compared once the run has", line) for line in told)
    one, two = json.loads(foreseen(tmp_path, changed, *words, "--json"))["reuse"]
    assert (one["source"], two["source"]) == (str(tiny_hubs[0]), None)
    other = ("--set", "train.epochs=2", *words)
    assert "taken from" not in foreseen(tmp_path, changed, *other)


def test_a_plan_takes_nothing_from_a_hub_that_is_not_as_it_was_sealed(
    tiny_copy, audited_manifest, tmp_path
):
    (tiny_copy / "arms" / "one" / "model.pt").write_bytes(b"other")
    told = foreseen(tmp_path, audited_manifest, "--reuse", tiny_copy)
    assert "one: runs; " in told
    assert "is not as it was sealed" in told


def test_a_plan_that_is_asked_for_an_arm_or_a_hub_that_is_not_there_says_so(
    audited_manifest, tmp_path
):
    said = foreseen(tmp_path, audited_manifest, "--why", "two", code=2)
    assert "--reuse HUB" in said
    words = ("--reuse", tmp_path, "--why", "too")
    said = foreseen(tmp_path, audited_manifest, *words, code=2)
    assert "no such arm; arms are one, two; did you mean 'two'?" in said


# --- sources that are not taken from -------------------------------------------------------------


def why_not(folder, job, ours, **facts):
    return reuse.why_not(ArmSource(sealed=sealed(folder), **facts), job, ours)[0]


@pytest.fixture
def planned(tiny_hubs):
    """An arm as the hub's own plan has it, and its components."""
    hub = sealed(tiny_hubs[0])
    job = next(job for job in hub.plan.arms if job.name == "one")
    return job, of_sealed(hub, hub.record.arm("one"))


def test_the_same_arm_of_a_sound_hub_is_taken(tiny_hubs, planned):
    assert why_not(tiny_hubs[0], *planned) == ""
    assert why_not(tiny_hubs[1], *planned) == ""


def test_a_hub_of_which_a_file_was_changed_gives_nothing(tiny_copy, planned):
    (tiny_copy / "arms" / "one" / "model.pt").write_bytes(b"weights")
    assert "is not as it was sealed" in why_not(tiny_copy, *planned)


def test_a_hub_that_was_changed_and_sealed_again_gives_nothing(tiny_copy, planned):
    before = digests(tiny_copy)
    stats = json.loads((tiny_copy / "arms" / "one" / "stats.json").read_text())
    put(tiny_copy / "arms" / "one" / "stats.json", json.dumps(stats | {"amp_ssim": 1.0}).encode())
    reseal(tiny_copy, before)
    assert layout.verify(tiny_copy).intact
    assert "contradicts itself" in why_not(tiny_copy, *planned)


def test_a_hub_that_does_not_say_its_packages_gives_nothing(tiny_copy, planned):
    record = json.loads((tiny_copy / "hub.json").read_text())
    del record["engine"]["facts"]["packages_sha256"]
    put(tiny_copy / "hub.json", json.dumps(record).encode())
    assert why_not(tiny_copy, *planned) == "it does not say its packages"


def test_a_hub_that_nobody_signed_gives_nothing_where_signers_are_named(
    tiny_hubs, planned, tmp_path
):
    (tmp_path / "signers").write_text("")
    said = why_not(tiny_hubs[0], *planned, signers=tmp_path / "signers")
    assert said.endswith("nobody signed it")


@pytest.mark.parametrize("component", [name for name in WORDS if name != "parameters"])
def test_a_component_that_differs_is_named_with_both_digests(tiny_hubs, planned, component):
    job, ours = planned
    said = why_not(tiny_hubs[0], job, ours | {component: "f" * 64})
    assert said == f"{component} differs: {'f' * 64} here, {ours[component]} there"


def test_what_is_not_known_is_never_the_same():
    nothing = dict.fromkeys(WORDS)
    assert [*differing(nothing, nothing)] == [*WORDS]


def test_an_arm_with_a_network_or_a_command_of_its_own_is_never_taken(tiny_hubs, planned):
    job, ours = planned
    open_ = job.model_copy(update={"resources": job.resources.model_copy(update={"network": True})})
    own = job.model_copy(update={"command": ("/bin/true",)})
    for other in (open_, own):
        assert "is not known" in why_not(tiny_hubs[0], other, ours)


def test_a_folder_without_hubs_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(VerificationError, match="there is no sealed hub"):
        find_sources([tmp_path])


def test_hubs_are_found_in_a_phase_s_folder_and_below_all_artifacts(tiny_hubs):
    hub = tiny_hubs[0]
    for folder in (hub, hub.parent, hub.parent.parent):
        (found,) = find_sources([folder]).hubs
        assert (found.sealed.folder / CHECKSUMS).is_file()


def test_what_lies_beside_an_arm_s_files_is_not_copied(tiny_copy, tmp_path):
    before = digests(tiny_copy)
    put(tiny_copy / "arms" / "one" / "extra.html", b"<script>")
    reseal(tiny_copy, before)
    hub = sealed(tiny_copy)
    assert reuse.copy_arm(hub, hub.record.arm("one"), tmp_path / "new", "console.log") == ""
    copies = {path.name for path in (tmp_path / "new" / "arms" / "one").iterdir()}
    assert "model.pt" in copies
    assert "extra.html" not in copies


def test_a_file_that_is_exchanged_once_it_was_verified_is_not_taken(tiny_copy, tmp_path):
    hub = sealed(tiny_copy).require_intact()
    arm = hub.record.arm("one")
    weights = tiny_copy / "arms" / "one" / "model.pt"
    weights.write_bytes(bytes(weights.stat().st_size))
    problem = reuse.copy_arm(hub, arm, tmp_path / "new", "console.log")
    assert problem.endswith("model.pt does not have the digest that SHA256SUMS says")
    assert not (tmp_path / "new" / "arms" / "one" / "model.pt").exists()
