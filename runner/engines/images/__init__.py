"""Container images: built from locked wheels without a network, or loaded out of an archive.

Imports ``core``, the environments beside it and the daemon.
"""
