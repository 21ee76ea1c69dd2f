"""Locked packages: parsed, downloaded, installed into an environment, fingerprinted.

Imports ``core`` alone.
"""
