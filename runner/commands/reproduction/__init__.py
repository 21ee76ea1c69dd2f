"""A sealed hub, run again from what it carries; every deterministic file beside its original."""

from runner.commands.reproduction.rerun import Request, reproduce

__all__ = ["Request", "reproduce"]
