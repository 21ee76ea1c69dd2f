"""The parameters of one experiment, as frozen values.

Every leaf of these models is a *knob*: the runner plans it, the live objects must show it again in
``effective_config.json``, and the runner compares the two. A knob that means nothing for the chosen
architecture is therefore refused, not ignored: such knobs are ``None`` unless they apply.

This package imports neither torch nor numpy, because the runner validates manifests with it.
"""

from models.config.advice import (
    refusals,
    remarks,
)
from models.config.anatomy import (
    Part,
    Stage,
)
from models.config.checkpoints import (
    CheckpointEvery,
)
from models.config.clips import (
    Agc,
    AgcPerTensor,
    Clip,
    NoClip,
    NormClip,
    ValueClip,
)
from models.config.costs import (
    REPORT_SAMPLES,
    count_parameters,
    report_numbers,
    stages_of,
    step_numbers,
    step_operations,
)
from models.config.dataset import (
    Dataset,
)
from models.config.determinism import (
    PORTABLE,
    Determinism,
    variables,
)
from models.config.diagnose import (
    Diagnose,
)
from models.config.model import (
    BELONGS,
    RESIDUAL_BLOCKS,
    Model,
    largest_num_blocks,
)
from models.config.optimizers import (
    Adam,
    AdamW,
    Optimizer,
    Sgd,
)
from models.config.parameters import (
    COLLAPSE_REPORTS,
    Diagnostics,
    Parameters,
)
from models.config.schedules import (
    LEAST_CUT,
    WARMUP_START,
    Constant,
    Exponential,
    Plateau,
    Scheduler,
    WarmupCosine,
)
from models.config.selection import (
    Selection,
)
from models.config.sizes import (
    ParameterCount,
    block_levels,
    kept_modes,
    level_widths,
)
from models.config.stats import (
    SCORE_DEFINITION,
    SCORED_PARTS,
    STATS,
)
from models.config.tables import (
    Integer,
    Table,
)
from models.config.train import (
    Train,
    num_held_out,
    num_training_samples,
    steps_per_epoch,
)

__all__ = [
    "BELONGS",
    "COLLAPSE_REPORTS",
    "LEAST_CUT",
    "PORTABLE",
    "REPORT_SAMPLES",
    "RESIDUAL_BLOCKS",
    "SCORED_PARTS",
    "SCORE_DEFINITION",
    "STATS",
    "WARMUP_START",
    "Adam",
    "AdamW",
    "Agc",
    "AgcPerTensor",
    "CheckpointEvery",
    "Clip",
    "Constant",
    "Dataset",
    "Determinism",
    "Diagnose",
    "Diagnostics",
    "Exponential",
    "Integer",
    "Model",
    "NoClip",
    "NormClip",
    "Optimizer",
    "ParameterCount",
    "Parameters",
    "Part",
    "Plateau",
    "Scheduler",
    "Selection",
    "Sgd",
    "Stage",
    "Table",
    "Train",
    "ValueClip",
    "WarmupCosine",
    "block_levels",
    "count_parameters",
    "kept_modes",
    "largest_num_blocks",
    "level_widths",
    "num_held_out",
    "num_training_samples",
    "refusals",
    "remarks",
    "report_numbers",
    "stages_of",
    "step_numbers",
    "step_operations",
    "steps_per_epoch",
    "variables",
]
