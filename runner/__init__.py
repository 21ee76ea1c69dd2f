"""The host side of phasehub: a phase manifest in, one sealed hub out."""
