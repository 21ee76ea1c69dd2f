"""What may be believed: of a hub that anybody made, of an arm against its plan, of several arms.

Imports ``plan``, ``hub`` and below; starts no job.
"""
