"""One seed, many streams; and the switches that make torch repeat itself.

Everything random draws from a NumPy generator of its own: ``noise`` (photons), ``weights``
(initial values) and ``order`` (of the training patches). Streams are told apart by name, so that
adding one, or drawing more from one, leaves all others as they were; torch's global generator is
never drawn from. A stream remembers its seed, so a run can say which one it had.

This module imports torch only where it acts on torch: the simulation's noise does without it.
"""

from __future__ import annotations

import hashlib

import numpy as np

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
