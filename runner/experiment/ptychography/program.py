"""What runs in a job, and what of it a second implementation derives again."""

from __future__ import annotations

from runner.experiment.interface import Audits, Program

PROGRAM = Program(
    command=("python", "-m", "models"),
    simulator=("data", "physics", "config", "seeding.py"),
    facts=(
        "python",
        "libc",
        "cpu.torch_capability",
        "gpu.name",
        "gpu.capability",
        "gpu.cudnn",
        "torch.version",
        "torch.cuda",
        "threads",
        "interop_threads",
        "determinism",
        "deterministic_algorithms",
        "float32_matmul_precision",
        "cudnn_deterministic",
        "cudnn_benchmark",
        "cudnn_allow_tf32",
        "cuda_matmul_allow_tf32",
    ),
)
AUDITS = Audits(
    of_arm=("start", "steps", "totals", "end"),
    of_dataset=("data",),
    states="audit_step_",
)
