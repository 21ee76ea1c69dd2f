"""Square roots rounded as IEEE 754 has them, whatever the processor.

torch hands float32 square roots on the CPU to MKL, which picks an approximation by the processor
that no variable pins: AMD with AVX-512 and emulated Haswell differ in the last bit, and Adam takes
a root of every second moment. The processors' own instruction is exact everywhere.
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import torch
from torch import Tensor


@cache
def use_exact_square_roots() -> torch.library.Library:
    """Make ``torch.sqrt`` on the CPU exact, for the rest of the process.

    The library returned keeps the replacement alive; the cache keeps the library.
    """
    library = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Warning only once for all operators")
        library.impl("sqrt", square_root, "CPU")  # type: ignore[no-untyped-call]
    return library


def square_root(x: Tensor) -> Tensor:
    """√x of any shape; NumPy takes those of real numbers from the processor's own instruction."""
    if x.dtype in (torch.float32, torch.float64):
        with np.errstate(invalid="ignore"):
            return torch.from_numpy(np.asarray(np.sqrt(x.detach().numpy())))
    dtype = x.dtype if x.is_floating_point() or x.is_complex() else torch.get_default_dtype()
    return torch.sqrt(x, out=torch.empty(x.shape, dtype=dtype))
