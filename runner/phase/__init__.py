"""One run of a phase: its state, its stages, what follows the arms, its record and seal.

Imports ``report``, ``jobs``, ``verify`` and below; commands alone import it.
"""
