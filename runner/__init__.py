"""The host side of phasehub: a phase manifest in, one sealed hub out."""

__version__ = "0.1.0"
