"""On which machines the same job gives the same bits, and what has to be set for it.

Numerical libraries choose their kernels by the instruction sets of the processor, and kernels that
sum in another order round differently. ``portable`` holds all of them to AVX2, which x86-64
processors of servers and desktops have since about 2015; ``native`` lets them choose, for the same
machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Determinism = Literal["portable", "native"]

PORTABLE: Mapping[str, str] = {
    "ATEN_CPU_CAPABILITY": "avx2",
    # https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    # AVX2 would be the automatic choice again on processors that are not Intel's:
    # https://www.intel.com/content/www/us/en/docs/onemkl/developer-guide-linux/2025-1/get-started-with-conditional-num-reproducibility.html
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
}
"""Variables of a ``portable`` job. Libraries read them once, so they must be there first."""


def variables(determinism: Determinism) -> Mapping[str, str]:
    """What the environment of a job must hold before its process starts."""
    return PORTABLE if determinism == "portable" else {}
