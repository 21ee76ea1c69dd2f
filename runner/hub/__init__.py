"""A hub on disk: its names, its record, its checksums, signatures, and its words for other tools.

Imports ``manifest``, ``engines`` and ``core``; what a hub proves is judged in ``verify``.
"""
