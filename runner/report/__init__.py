"""What people read: the pages of a hub, and texts for the console."""

from runner.report.pages import write_reports

__all__ = ["write_reports"]
