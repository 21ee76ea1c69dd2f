"""The one door to what is studied: ``EXPERIMENT``, as ``interface`` declares it, and ``common``.

All that this room imports is ``models.config`` and ``models.exact``; every other room asks here.
"""

from models.config import Dataset, Parameters
from runner.experiment.interface import Experiment
from runner.experiment.ptychography import PTYCHOGRAPHY

EXPERIMENT: Experiment = PTYCHOGRAPHY
"""The experiment that this installation runs."""

__all__ = ["EXPERIMENT", "Dataset", "Parameters"]
