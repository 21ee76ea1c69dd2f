"""Sealed hubs in Python, read-only.

>>> import phasehub
>>> hub = phasehub.open("artifacts/tiny/2026-11-22T104255Z")
>>> hub
<Hub tiny/2026-11-22T104255Z: 2 arms>
>>> [(arm.name, arm.status, arm.collapsed) for arm in hub.arms]
[('one', 'succeeded', False), ('two', 'succeeded', False)]
>>> hub.arm("two").parameters["train"]["learning_rate"]
0.002
>>> hub.arm("two").history["val_loss"]
(3.5095033645629883,)
>>> hub.verify()
223

A file is held against ``SHA256SUMS`` whenever it is read; ``verify`` checks all of them. Importing
this adds no other name to a program: phasehub's own packages, ``runner`` and ``models``, are found
by its own process and by this API alone. See docs/python.md, docs/adr/0013 and docs/adr/0019.
"""

from phasehub.errors import ExtraError, HubError
from phasehub.hub import Arm, Hub, Hubs
from phasehub.hub import open_hub as open  # noqa: A004 - read as phasehub.open
from phasehub.hub import open_hubs as open_all

__all__ = ["Arm", "ExtraError", "Hub", "HubError", "Hubs", "open", "open_all"]
