"""Reading a manifest that is right: what its keys come to."""

import hashlib
from pathlib import Path

import pytest
from pydantic import ValidationError

from models.config import AdamW, CheckpointEvery, NoClip, Sgd, WarmupCosine
from runner.manifest.model import load
from runner.manifest.tables import Resources

MANIFESTS = Path(__file__).parents[3] / "manifests"

LAYERED = """\
schema_version = 1
[phase]
name = "layered"
title = "Layers"
question = "Which one wins?"
seed = 7
[resources]
threads = 4
pids = 100
[model]
hidden_channels = 16
[train]
epochs = 9
batch_size = 4
learning_rate = 1e-2
optimizer = { kind = "sgd", momentum = 0.5 }
[[arms]]
name = "own"
train.epochs = 7
train.optimizer = { kind = "adamw" }
resources.threads = 1
[[arms]]
name = "plain"
[profiles.quick]
model.hidden_channels = 8
train = { epochs = 2, batch_size = 2, optimizer.momentum = 0.25 }
resources = { threads = 2, memory_gib = 1 }
"""


@pytest.fixture
def layered(tmp_path):
    path = tmp_path / "layered.toml"
    path.write_text(LAYERED)
    return load(path)


def parameters(loaded, profile=None):
    return [arm.parameters for arm in loaded.variant(profile).arms]


def test_an_arm_wins_over_the_profile_and_the_profile_over_the_phase(layered):
    own, plain = parameters(layered, "quick")
    assert (own.train.epochs, plain.train.epochs) == (7, 2)
    assert (own.train.batch_size, plain.train.batch_size) == (2, 2)
    assert own.train.learning_rate == plain.train.learning_rate == 1e-2
    assert own.model.hidden_channels == 8
    assert own.train.optimizer == AdamW()
    assert plain.train.optimizer == Sgd(momentum=0.25)


def test_without_a_profile_the_phase_stands(layered):
    plain = parameters(layered)[1]
    assert (plain.train.epochs, plain.model.hidden_channels) == (9, 16)
    assert plain.train.optimizer == Sgd(momentum=0.5)


def test_bounds_are_merged_key_by_key(layered):
    own = layered.variant("quick").arms[0].resources
    assert own == Resources(threads=1, pids=100, memory_gib=1.0)
    assert layered.variant().resources == Resources(threads=4, pids=100)


def test_checkpoints_are_merged_like_other_bounds(tmp_path):
    path = tmp_path / "layered.toml"
    text = LAYERED.replace("pids = 100", "checkpoint_every = { epochs = 5, keep = true }")
    text = text.replace("resources.threads = 1", "resources.checkpoint_every = { minutes = 2 }")
    path.write_text(text)
    own, plain = load(path).variant().arms
    assert own.resources.checkpoint_every == CheckpointEvery(epochs=5, minutes=2.0, keep=True)
    assert plain.resources.checkpoint_every == CheckpointEvery(epochs=5, keep=True)


def test_bounds_have_their_units_in_bytes():
    bounds = Resources(memory_gib=1.5, shm_mib=64, tmp_mib=3)
    assert bounds.memory_bytes == 1_610_612_736
    assert bounds.shm_bytes == 67_108_864
    assert bounds.tmp_bytes == 3_145_728


def test_the_bytes_of_the_file_are_kept(tmp_path):
    path = tmp_path / "layered.toml"
    path.write_bytes(LAYERED.replace("\n", "\r\n").encode())
    loaded = load(path)
    assert loaded.source == path.read_bytes()
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.path == path


def test_a_loaded_manifest_cannot_be_changed(layered):
    with pytest.raises(ValidationError, match="frozen"):
        layered.manifest.phase.seed = 8


def test_a_command_and_a_seed_are_an_arm_s_own(tmp_path):
    path = tmp_path / "layered.toml"
    path.write_text(LAYERED.replace('"plain"', '"plain"\nseed = 0\ncommand = ["x", "{out}"]'))
    own, plain = load(path).manifest.arms
    assert (own.seed, own.command) == (None, None)
    assert (plain.seed, plain.command) == (0, ("x", "{out}"))


def test_rules_are_parsed():
    verdict = load(MANIFESTS / "phase8.toml").manifest.verdict
    assert [str(rule) for rule in verdict.rules] == [
        "amp_ssim >= 0.8",
        "amp_mae <= 0.15",
        "not diverged or diverged_epoch <= 7.0",
    ]


def test_phase8_is_the_study_s_phase_8():
    loaded = load(MANIFESTS / "phase8.toml")
    manifest = loaded.manifest
    assert manifest.phase.seed == 20260128
    assert manifest.phase.findings == ("STABLE-LS-001",)
    assert manifest.phase.compare_with == ("phase7",)
    assert manifest.resources.gpus == 1
    sgd, adamw = parameters(loaded)
    assert [arm.name for arm in manifest.arms] == ["stable_sgd", "stable_adamw"]
    assert sgd.train.optimizer == Sgd(momentum=0.9, weight_decay=0.0)
    assert adamw.train.optimizer == AdamW(weight_decay=0.01, betas=(0.9, 0.999))
    assert sgd.diagnostics.activation_report == "activation_report_sgd.json"
    assert adamw.diagnostics.activation_report == "activation_report_adamw.json"
    for arm in (sgd, adamw):
        assert (arm.dataset.patch_size, arm.dataset.gridsize, arm.dataset.photons) == (64, 1, 1e9)
        assert (arm.dataset.num_train_objects, arm.dataset.num_test_objects) == (1, 1)
        assert arm.dataset.set_phi
        assert (arm.model.architecture, arm.model.stable_block) == ("stable_hybrid", "layerscale")
        assert (arm.model.fno_blocks, arm.model.hidden_channels, arm.model.modes) == (4, 32, 12)
        assert (arm.train.epochs, arm.train.learning_rate, arm.train.loss) == (20, 3e-4, "mae")
        assert (arm.train.batch_size, arm.train.inference_batch_size) == (16, 8)
        assert arm.train.scheduler == WarmupCosine(warmup_epochs=5, min_ratio=0.05)
        assert arm.train.clip == NoClip()
        assert arm.diagnostics.grad_norm_every == 1


def test_the_quick_profile_of_phase8_keeps_what_tells_its_arms_apart():
    loaded = load(MANIFESTS / "phase8.toml")
    for full, quick in zip(parameters(loaded), parameters(loaded, "quick"), strict=True):
        sizes = {"epochs"}
        assert full.train.model_dump(exclude=sizes) == quick.train.model_dump(exclude=sizes)
        assert full.diagnostics == quick.diagnostics
        assert quick.train.epochs > quick.train.scheduler.warmup_epochs
        assert (quick.dataset.patch_size - quick.dataset.test_stride) % 2 == 0


def test_the_arms_of_the_quickstart_differ_in_their_architecture_alone():
    hybrid, stable = parameters(load(MANIFESTS / "quickstart.toml"))
    assert (hybrid.model.architecture, stable.model.architecture) == ("hybrid", "stable_hybrid")
    assert hybrid.dataset == stable.dataset
    assert hybrid.train == stable.train
    assert hybrid.diagnostics == stable.diagnostics
