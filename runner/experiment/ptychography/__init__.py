"""Ptychographic phase retrieval by neural networks, as ``models/`` computes it."""

from runner.experiment.interface import Experiment
from runner.experiment.ptychography.captures import ADVICE, CAPTURES, PROBE, PROGRESS, STAGES
from runner.experiment.ptychography.costs import COSTS
from runner.experiment.ptychography.endpoint import COLLAPSE
from runner.experiment.ptychography.manual import MANUAL
from runner.experiment.ptychography.parameters import PARAMETERS
from runner.experiment.ptychography.program import AUDITS, PROGRAM
from runner.experiment.ptychography.readback import READBACK
from runner.experiment.ptychography.results import RESULTS

PTYCHOGRAPHY = Experiment(
    program=PROGRAM,
    parameters=PARAMETERS,
    given=PROBE,
    costs=COSTS,
    readback=READBACK,
    results=RESULTS,
    endpoint=COLLAPSE,
    captures=CAPTURES,
    audits=AUDITS,
    progress=PROGRESS,
    stages=STAGES,
    advice=ADVICE,
    manual=MANUAL,
)
