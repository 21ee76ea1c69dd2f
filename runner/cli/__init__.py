"""The command line: one function per verb, and one place where errors are caught.

A module for each group of verbs, imported here in the order of the help; what a verb needs is
imported inside it, so that `--help` stays light. Imports everything below; nothing imports it.
"""

# isort: off
from runner.cli import phases
from runner.cli import runs
from runner.cli import hubs
from runner.cli import again
from runner.cli import keeping
from runner.cli import site

# isort: on
from runner.cli.entry import guarded, main
from runner.cli.root import app

__all__ = ["again", "app", "guarded", "hubs", "keeping", "main", "phases", "runs", "site"]
