"""How a container starts on a node: a *runtime*, apart from where jobs run, which is an *engine*.

``contained`` lays a job out where it is submitted, with the image beside it on the folder that
nodes share. On the node ``start`` gives the supervisor the runtime that was asked for, and needs
nothing but Python's standard library.
"""

from __future__ import annotations
