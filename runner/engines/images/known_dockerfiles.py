"""Digests of every Dockerfile that phasehub has had; a hub carries the one that it was built by."""

from __future__ import annotations

KNOWN = frozenset(
    {
        "e126b4e1940ede4eaea1c40a82b1c9b052a5f187d4539c25ec1858a21a77f631",
        "1a8684bea80439c59f2f0aa9be63c10d3cdea75752fd77b25cad986eedb50752",
    }
)
"""SHA-256 of the files. A test holds them against the history of the repository."""
