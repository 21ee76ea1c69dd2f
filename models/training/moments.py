"""The moments of a fit that it leaves for its audit, chosen by the plan's digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from models.config import Parameters, steps_per_epoch

SAMPLED = 2**16
"""Most elements of a tensor of the optimizer's state that are left; a longer one is thinned."""


@dataclass(frozen=True, kw_only=True)
class Moments:
    """After how many steps a state is left, and which elements of long tensors are."""

    steps: frozenset[int]
    length: int
    """Steps in a window."""
    offset: int
    """What the first sampled element is drawn from."""


def moments_of(parameters: Parameters, seed: int) -> Moments:
    """Three windows of K steps: the first steps, some steps, and those about the end of an epoch.

    With D the SHA-256 of ``{"parameters":…,"seed":…}`` in canonical JSON, d0, d1 and d2 its first
    three numbers of 64 bits, T steps in E epochs of S: the windows begin at 0, at
    1 + d0 mod (T − K), and at the last step of epoch d1 mod (E − 1), or at T − K with one epoch.
    """
    length = parameters.diagnostics.audit_steps
    epochs, per_epoch = (
        parameters.train.epochs,
        steps_per_epoch(parameters.dataset, parameters.train),
    )
    total = epochs * per_epoch
    table = {"parameters": parameters.model_dump(mode="json"), "seed": seed}
    digest = hashlib.sha256(json.dumps(table, sort_keys=True, separators=(",", ":")).encode())
    first, second, third = (
        int.from_bytes(digest.digest()[8 * part : 8 * part + 8], "big") for part in range(3)
    )
    last = max(total - length, 0)
    turn = (second % (epochs - 1) + 1) * per_epoch - 1 if epochs > 1 else last
    starts = (0, 1 + first % max(last, 1), min(turn, last))
    steps = {start + step for start in starts for step in range(length + 1)}
    return Moments(
        steps=frozenset(step for step in steps if step <= total), length=length, offset=third
    )
