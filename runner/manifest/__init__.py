"""From a TOML file to frozen values, or to every error that it holds, each with its place.

Imports ``core`` and the parameters of ``models.config``; knows no engine and no hub.
"""
