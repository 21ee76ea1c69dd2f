"""A small hub with one arm of each fate, as a record and as a folder; and hubs of real runs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from models.config import Parameters
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord, Execution, IdenticalArms, RuleRecord
from runner.hub.records.base import Difference, FileRecord
from runner.hub.records.data import DatasetRecord
from runner.hub.records.provenance import CodeRecord, EngineRecord

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c63680000008200814cd17c080000000049454e44ae426082"
)
SEED = 20260128


def parameters(**train):
    schedule = {"kind": "warmup_cosine", "warmup_epochs": 5, "min_ratio": 0.05}
    tables = {
        "model": {"architecture": "stable_hybrid"},
        "train": {"learning_rate": 3e-4, "scheduler": schedule} | train,
    }
    return Parameters.model_validate(tables).model_dump(mode="json")


def stats(**changed):
    return {
        "val_loss_best": 0.0237, "val_loss_best_epoch": 17, "val_loss_final": 0.02412,
        "train_loss_final": 0.02201, "n_epochs": 20, "has_nan": False,
        "grad_norm_mean": 0.412, "grad_norm_median": 0.377, "grad_norm_p99": 1.93,
        "grad_norm_max": 6.02, "grad_norm_min": 0.0312,
        "amp_mae": 0.0631, "amp_mse": 0.00812, "amp_psnr": 33.13, "amp_psnr_255": 69.03,
        "amp_ssim": 0.8923, "amp_ms_ssim": 0.961, "amp_frc50": 71,
        "phase_mae": 0.0612, "phase_mse": 0.00731, "phase_psnr": 27.4, "phase_psnr_255": 69.5,
        "phase_ssim": 0.9411, "phase_ms_ssim": None, "phase_frc50": 66,
        "norm_weights": {}, "norm_weight_near_zero": False, "layerscale": {},
        "recon_amp_std": 0.602, "recon_phase_std": 0.201,
        "collapsed": False, "collapse_epoch": None, "collapse_reason": None,
        "num_parameters": 8_523_010, "num_parameters_nominal": 11_006_722,
    } | changed  # fmt: skip


COLLAPSED = {
    "val_loss_best": 0.0237, "val_loss_best_epoch": 6, "val_loss_final": 0.1978,
    "train_loss_final": 0.1981, "grad_norm_min": 0.0, "amp_mae": 0.5131, "amp_ssim": 0.2771,
    "amp_frc50": 1, "phase_ssim": 0.843, "phase_ms_ssim": 0.7712, "recon_amp_std": 1.2e-9,
    "collapsed": True, "collapse_epoch": 7,
    "collapse_reason": "flat: the amplitude's relative std 4.1e-10 is below 0.001",
}  # fmt: skip
TIMING = {"wall_s": 1874.2, "steps_per_s": 4.5991, "peak_memory_bytes": 2_147_483_648}


def rules(ssim, mae):
    return (
        RuleRecord(rule="amp_ssim >= 0.8", measured=ssim, margin=ssim - 0.8, holds=ssim >= 0.8),
        RuleRecord(rule="amp_mae <= 0.15", measured=mae, margin=0.15 - mae, holds=mae <= 0.15),
        RuleRecord(rule="not collapsed", measured=ssim < 0.5, margin=None, holds=ssim >= 0.5),
    )


def arm(name, *, status="succeeded", plan, **changed):
    facts = {
        "name": name, "status": status, "attempts": 1, "exit_code": 0,
        "started": "2026-01-30T05:00:31.000+00:00", "ended": "2026-01-30T05:31:45.200+00:00",
        "wall_s": 1874.2, "seed": SEED, "parameters": plan,
        "execution": Execution(device="cpu", threads=2),
        "command": ("python", "-m", "models", "train", "--job", "{job}/job.json", "--out", "{out}"),
        "environment": {"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "0"},
        "job_sha256": "a" * 64, "log": f"stage_a_arm_{name}.log",
    }  # fmt: skip
    if status == "succeeded":
        facts |= {
            "stats": stats(), "timing": TIMING, "collapsed": False, "rules": rules(0.8923, 0.0631),
            "null_reasons": {"phase_ms_ssim": "an image of 41 px has no five levels"},
            "final_weights_sha256": "1" * 64,
            "files": (
                FileRecord(path="model.pt", sha256="2" * 64, bytes=7, deterministic=True),
                FileRecord(path="recon.png", sha256="3" * 64, bytes=len(PIXEL), deterministic=True),
                FileRecord(path="timing.json", sha256="4" * 64, bytes=2, deterministic=False),
            ),
        }  # fmt: skip
    return ArmRecord(**(facts | changed))


@pytest.fixture
def record():
    sgd = {"kind": "sgd", "momentum": 0.9, "weight_decay": 0.0}
    adamw = {"kind": "adamw", "betas": (0.9, 0.999), "weight_decay": 0.01}
    clipped = {"kind": "norm", "max_norm": 0.5}
    arms = (
        arm("stable_sgd", plan=parameters(optimizer=sgd)),
        arm(
            "stable_adamw",
            plan=parameters(optimizer=adamw),
            stats=stats(**COLLAPSED),
            rules=rules(0.2771, 0.5131),
            null_reasons={},
            final_weights_sha256="5" * 64,
            **{name: COLLAPSED[name] for name in COLLAPSED if name.startswith("collapse")},
        ),
        arm("stable_sgd_clip", plan=parameters(optimizer=sgd, clip=clipped)),
        arm(
            "stable_large",
            plan=parameters(optimizer=adamw, batch_size=64),
            status="out_of_memory",
            exit_code=137,
            message="killed at its memory limit of 8 GiB; raise resources.memory_gib",
            log_tail=("epoch 0: train_loss 0.31 | lr 3.0e-05", "<b>Killed</b>"),
        ),
        arm(
            "stable_dropped",
            plan=parameters(clip=clipped),
            status="configuration_differs",
            message="train.clip.max_norm: planned 0.5, effective None",
            differences=(
                Difference(knob="train.clip.max_norm", kind="missing", planned=0.5, effective=None),
            ),
            log_tail=("finished",),
        ),
    )
    return HubRecord(
        phase="phase8",
        title="Optimizer sweep and activation diagnostics",
        question="Does SGD or AdamW keep stable_hybrid from collapsing?",
        findings=("STABLE-LS-001",),
        stage="stage_a",
        started="2026-01-30T05:00:00.000+00:00",
        ended="2026-01-30T06:10:00.000+00:00",
        seed=SEED,
        device="cpu",
        engine=EngineRecord(name="docker", isolated=True, facts={"server_version": "20.10.24"}),
        image={
            "reference": "phasehub:cpu-0123456789ab",
            "id": "sha256:" + "6" * 64,
            "packages_sha256": "e" * 64,
        },
        code=CodeRecord(
            commit="7" * 40, dirty=True, models_sha256="8" * 64, diff="uncommitted.diff"
        ),
        dataset=DatasetRecord(
            status="succeeded",
            seed=SEED,
            parameters={"dataset": arms[0].parameters["dataset"]},
            parameters_sha256="9" * 64,
            wall_s=12.5,
            files=tuple(
                FileRecord(path=name, sha256=digit * 64, bytes=1000, deterministic=True)
                for name, digit in (("metadata.json", "b"), ("test.npz", "c"), ("train.npz", "d"))
            ),
            metadata={"norm_Y_I": 13.07},
        ),
        arms=arms,
        identical_arms=(
            IdenticalArms(
                arms=("stable_sgd", "stable_sgd_clip"),
                knobs=("train.clip.kind", "train.clip.max_norm"),
                final_weights_sha256="1" * 64,
            ),
        ),
        notes=("gpus = 1, and no GPU is here: the arms ran on the CPU",),
    )


@pytest.fixture
def hub_folder(tmp_path, record):
    """A folder as the runner leaves it before the reports are written."""
    folder = tmp_path / "hub"
    for one in record.arms:
        (folder / "arms" / one.name).mkdir(parents=True)
        for file in one.files:
            content = PIXEL if file.path == "recon.png" else b"weights"
            (folder / "arms" / one.name / file.path).write_bytes(content)
    return folder


# --- real runs -----------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
TINY = """
schema_version = 1
[phase]
name = "tiny"
title = "A phase for tests"
question = "Is it the same again?"
stage = "stage_a"
seed = 7
[resources]
threads = 1
[dataset]
object_size = 48
patch_size = 16
train_stride = 8
test_stride = 8
[model]
hidden_channels = 2
modes = 3
fno_blocks = 2
[train]
epochs = 1
inference_batch_size = 4
[verdict]
success = ["amp_ssim >= 0.99"]
[audit]
level = "read back"
[[arms]]
name = "one"
[[arms]]
name = "two"
train.learning_rate = 2e-3
"""
AUDITED = TINY.replace('[audit]\nlevel = "read back"\n', "")
"""The same as a manifest is by default."""


@pytest.fixture(scope="session")
def tiny_manifest():
    """A phase of two arms that takes seconds."""
    return TINY


def run_phase(folder, manifest, *options):
    """Run a manifest below ``folder`` with this interpreter; what the command line left behind."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.toml").write_text(manifest)
    return subprocess.run(
        [
            *(sys.executable, "-m", "runner", "run", folder / "tiny.toml", "--engine", "process"),
            *("--python", sys.executable, "--out", folder / "artifacts", *options),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="session")
def audited_manifest():
    """The same with audits."""
    return AUDITED


@pytest.fixture(scope="session")
def tiny_hubs(tmp_path_factory, worker_id):
    """Hubs of a tiny phase: run twice in different folders, and with another learning rate.

    They are run once for all workers, and nobody writes to them.
    """
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent
    made = folder / "tiny_hubs.json"
    with FileLock(folder / "tiny_hubs.lock"):
        if not made.exists():
            made.write_text(json.dumps([str(hub) for hub in run_tiny_hubs(folder)]))
        return [Path(hub) for hub in json.loads(made.read_text())]


def run_tiny_hubs(folder):
    """Run the phases of ``tiny_hubs`` below ``folder``; the hubs."""
    for name, manifest in (
        ("first", AUDITED),
        ("second", AUDITED),
        ("changed", AUDITED.replace("2e-3", "1e-3")),
    ):
        done = run_phase(folder / f"tiny_{name}", manifest)
        assert done.returncode == 0, done.stderr
        yield Path(done.stdout.splitlines()[-1])


@pytest.fixture
def tiny_copy(tiny_hubs, tmp_path):
    """A copy of the first of them that can be written."""
    folder = tmp_path / "tiny" / tiny_hubs[0].name
    shutil.copytree(tiny_hubs[0], folder)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder
