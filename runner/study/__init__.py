"""A study's pages under ``docs/study``: made from sealed hubs, brought up to date by a command."""

from runner.study.sync import sync

__all__ = ["sync"]
