"""One seed, many streams; and the switches that make torch repeat itself.

Everything random draws from a NumPy generator of its own: ``noise`` (photons), ``weights``
(initial values) and ``order`` (of the training patches). Streams are distinguished by name, so that
adding one, or drawing more from one, leaves all others as they were; torch's global generator is
never drawn from. A stream remembers its seed, so a run can say which one it had.

This module imports torch only where it acts on torch: the simulation's noise does without it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.config import PORTABLE, Determinism, variables

WORDS = 8
"""A sha256 digest in words of 32 bits."""


def numpy_generator(seed: int, stream: str) -> np.random.Generator:
    """Generator of the named stream: PCG64 over ``SeedSequence([seed, *sha256(stream)])``.

    Raises:
        ValueError: ``seed`` is negative.
    """
    if seed < 0:
        raise ValueError(f"seed {seed} is negative; give an integer of at least 0")
    digest = hashlib.sha256(stream.encode()).digest()
    words = np.frombuffer(digest, dtype=">u4")
    return np.random.default_rng(np.random.SeedSequence([seed, *(int(word) for word in words)]))


def seed_of(generator: np.random.Generator) -> int:
    """Seed that ``numpy_generator`` was given when it made this generator.

    Raises:
        ValueError: the generator was made in another way.
    """
    sequence = generator.bit_generator.seed_seq
    entropy = getattr(sequence, "entropy", None)
    if not isinstance(entropy, list) or len(entropy) != 1 + WORDS:
        raise ValueError("this generator is no stream of models.seeding")
    return int(entropy[0])


def make_deterministic(threads: int) -> None:
    """Make torch repeat itself bit by bit: ``threads`` CPU threads, no nondeterministic kernels.

    Operations that have no deterministic implementation raise from now on. float32 stays float32:
    TF32 is off. To be called before any CUDA work, because cuBLAS reads its variable once. New
    memory is not filled first: nothing here reads what it has not written, and filling took an
    eighth of a step.
    """
    import torch

    # See https://docs.pytorch.org/docs/stable/notes/randomness.html
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if reach() == "portable":
        from models.rounding import use_exact_square_roots

        use_exact_square_roots()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)  # noqa: FBT003  torch's own signature
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def started_with() -> Mapping[str, str]:
    """The environment as it was when this process started, before anything could change it."""
    try:
        content = Path("/proc/self/environ").read_bytes()
    except OSError:
        return dict(os.environ)
    pairs = (os.fsdecode(entry).partition("=") for entry in content.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def missing_variables(wanted: Determinism) -> dict[str, str]:
    """What the environment should have held when this process started, and did not."""
    present = started_with()
    return {name: value for name, value in variables(wanted).items() if present.get(name) != value}


def reach() -> Determinism:
    """Whether the kernels of this process are those of any x86-64 machine with AVX2, or its own."""
    import torch

    dispatched = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
    held = (
        not missing_variables("portable")
        and torch.backends.cpu.get_cpu_capability() == "AVX2"
        and not any(dispatched[name] for name in PORTABLE["NPY_DISABLE_CPU_FEATURES"].split())
    )
    return "portable" if held else "native"


def determinism() -> dict[str, bool | int | str]:
    """The switches as torch has them now."""
    import torch

    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "determinism": reach(),
        "threads": torch.get_num_threads(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "cuda_matmul_allow_tf32": torch.backends.cuda.matmul.allow_tf32,
    }
