"""Jobs on their way: where they run, one attempt at each, what they leave, the data they share.

Imports ``plan``, ``hub`` and below; knows nothing of phases.
"""
