"""``environment.json``: where a job ran. Observational: two good runs may differ in all of it."""

from __future__ import annotations

import csv
import hashlib
import os
import platform
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import torch

from models.seeding import determinism

VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "DNNL_MAX_CPU_ISA",
    "KMP_AFFINITY",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_THREADS",
    "NPY_DISABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
)
"""Variables that numerical results may depend on. No others are recorded: they may be secrets."""


def environment(device: str) -> dict[str, Any]:
    """Interpreter, packages, processor, GPU, and the switches and variables in force."""
    packages = sorted(distributions(), key=lambda package: package.name.lower())
    return {
        "schema_version": 1,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libc": " ".join(platform.libc_ver()),
        "packages": {package.name: package.version for package in packages},
        "installed_files": fingerprint(packages),
        "cpu": cpu(),
        "gpu": gpu() if device == "cuda" else None,
        "torch": {"version": torch.__version__, "cuda": torch.version.cuda},
        "interop_threads": torch.get_num_interop_threads(),
        **determinism(),
        "variables": {name: os.environ.get(name) for name in VARIABLES},
    }


def fingerprint(packages: Iterable[Distribution]) -> dict[str, Any]:
    """Digest of what the installed packages say of their files, checked against the disk by size.

    Every wheel brings a RECORD of its files with their digests and sizes. ``sha256`` is over the
    sorted lines (package, version, path, digest, size) of all records. The files' own bytes are
    not read again, which would take seconds to minutes a job; that they exist and have the stated
    size is checked, and those that do not are listed under ``altered``. So another version or
    build of any package is seen, and so is a file that was cut, grown or removed; an edit that
    keeps the size is not.

    Left out are files outside the packages' folder (scripts, which carry the interpreter's path),
    compiled bytecode, and the installer's own notes (files without a digest in the record, or in
    ``*.dist-info``).
    """
    lines, altered = [], []
    for package in packages:
        label, folder = f"{package.name} {package.version}", Path(str(package.locate_file("")))
        for path, digest, size in csv.reader((package.read_text("RECORD") or "").splitlines()):
            top = path.split("/", 1)[0]
            if not digest or top == ".." or top.endswith(".dist-info"):
                continue
            lines.append(f"{label} {path} {digest} {size}")
            if _size(folder / path) != int(size):
                altered.append(f"{label}: {path}")
    text = "\n".join(sorted(lines))
    return {
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "num_files": len(lines),
        "altered": sorted(altered),
    }


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def cpu() -> dict[str, Any]:
    """Model and instruction sets, from ``/proc/cpuinfo``; null where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, value in facts.items()}
    flags = fields.get("flags")
    return {
        "model": fields.get("model name"),
        "flags": sorted(flags.split()) if flags else None,
        "count": os.cpu_count(),
        "torch_capability": torch.backends.cpu.get_cpu_capability(),
    }


def gpu() -> dict[str, Any]:
    """The GPU that the job sees, and the libraries that drive it."""
    properties = torch.cuda.get_device_properties(0)
    return {
        "name": properties.name,
        "memory_bytes": properties.total_memory,
        "capability": f"{properties.major}.{properties.minor}",
        "driver": _driver(),
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
    }


def _driver() -> str | None:
    """First line of the kernel driver's version file, where that is visible."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return None
    return text.splitlines()[0] if text else None
