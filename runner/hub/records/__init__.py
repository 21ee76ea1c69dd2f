"""The tables inside of ``hub.json``, a module for each subject; ``runner.hub.record`` is the whole.

They mirror the file and know nothing of how it is made or shown.
"""
