"""Registered findings: what a phase can answer, which runs count, what the registered test gives.

Imports ``verify`` and below.
"""
