"""A sealed hub, run again from what it carries; every deterministic file beside its original."""

from runner.commands.reproduction.rerun import ReproduceRequest, reproduce

__all__ = ["ReproduceRequest", "reproduce"]
