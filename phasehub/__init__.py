"""The one name under which phasehub is installed; its code is called ``runner`` and ``models``.

These stand in a folder that only phasehub's own process looks into. See docs/adr/0013.
"""
