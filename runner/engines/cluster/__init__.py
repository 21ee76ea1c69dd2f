"""What the slurm engine is made of: the queue and its words, and what runs on a node."""

from __future__ import annotations
