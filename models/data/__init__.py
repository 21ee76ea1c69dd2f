"""Datasets: simulation, probes, and the files that hold them."""
