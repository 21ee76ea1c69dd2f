"""The container side of phasehub: one ``job.json`` in, one folder of results out."""
