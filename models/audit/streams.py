"""How one seed becomes numbers, and how a plan's digest chooses the moments that are audited."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

Declared = SimpleNamespace
"""The declared parameters as plain values, by attribute; no method of theirs is used."""


def declared(parameters: Mapping[str, Any]) -> Declared:
    """Tables as namespaces: ``declared({"train": {"epochs": 2}}).train.epochs``."""
    text = json.dumps(parameters)
    made: Declared = json.loads(text, object_hook=lambda table: SimpleNamespace(**table))
    return made


def stream(seed: int, name: str) -> np.random.Generator:
    """The stream of a name: PCG64 seeded with the seed and the SHA-256 of the name, in 9 words."""
    digest = hashlib.sha256(name.encode()).digest()
    words = [int.from_bytes(digest[at : at + 4], "big") for at in range(0, 32, 4)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


def positions_a_side(p: Declared, stride: int) -> int:
    """Windows of a patch along one side of an object."""
    return int((p.dataset.object_size - p.dataset.patch_size) // stride + 1)


def samples_an_object(p: Declared, stride: int) -> int:
    """Groups of gridsize² neighbouring windows of an object."""
    return int((positions_a_side(p, stride) - p.dataset.gridsize + 1) ** 2)


def num_validation(p: Declared) -> int:
    """Samples at the end of the training scan that are held out."""
    total = int(p.dataset.num_train_objects * samples_an_object(p, p.dataset.train_stride))
    share = p.train.validation_fraction
    return 0 if share is None else max(1, round(total * float(share)))


def num_training(p: Declared) -> int:
    """Samples that are trained on."""
    total = p.dataset.num_train_objects * samples_an_object(p, p.dataset.train_stride)
    return int(total - num_validation(p))


def steps_an_epoch(p: Declared) -> int:
    """Batches of an epoch, the last of which may be smaller."""
    return math.ceil(num_training(p) / int(p.train.batch_size))


def windows(parameters: Mapping[str, Any], seed: int) -> tuple[list[range], int]:
    """The steps of each audited window, and the number that thinning starts from.

    The SHA-256 of the canonical JSON of parameters and seed decides: with d0, d1, d2 its first
    numbers of 64 bits, windows of K steps begin at 0, at 1 + d0 mod (T − K), and at the last step
    of epoch d1 mod (E − 1); with one epoch at T − K.
    """
    p = declared(parameters)
    text = json.dumps(
        {"parameters": parameters, "seed": seed}, sort_keys=True, separators=(",", ":")
    )
    digest = hashlib.sha256(text.encode()).digest()
    d0, d1, d2 = np.frombuffer(digest[:24], ">u8").tolist()
    length, epochs, per_epoch = p.diagnostics.audit_steps, p.train.epochs, steps_an_epoch(p)
    total = epochs * per_epoch
    last = max(total - length, 0)
    turn = last if epochs == 1 else min((d1 % (epochs - 1) + 1) * per_epoch - 1, last)
    starts = [0, 1 + d0 % max(last, 1), turn]
    return [range(start, min(start + length, total)) for start in starts], d2
