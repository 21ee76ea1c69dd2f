"""TOML text as others wrote it: bounded, parsed, with the line of every key and of every slip.

Imports ``core`` alone.
"""
