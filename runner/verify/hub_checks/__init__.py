"""What a sealed hub says twice must agree, a module for each part; ``consistency`` runs them all.

Imports ``hub``, ``plan``, ``manifest`` and below, as the room around it does.
"""
