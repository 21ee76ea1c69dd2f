"""From a manifest to the jobs of a phase, with what they will take; pure but for ``preflight``.

Imports ``manifest``, ``engines`` and ``core``; a hub is not known here.
"""
