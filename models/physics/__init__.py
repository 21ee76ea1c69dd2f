"""Pure functions: the forward model, its losses, and the geometry of stitching."""
