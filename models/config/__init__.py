"""The parameters of one experiment, as frozen values.

Every leaf of these models is a *knob*: the runner plans it, the live objects must show it again in
``effective_config.json``, and the runner compares the two. A knob that means nothing for the chosen
architecture is therefore refused, not ignored: such knobs are ``None`` unless they apply.

This package imports neither torch nor numpy, because the runner validates manifests with it.
"""

from models.config.anatomy import (
    Part,
    Stage,
)
from models.config.costs import (
    count_parameters,
    stages_of,
    step_operations,
)
from models.config.dataset import (
    Dataset,
)
from models.config.model import (
    BELONGS,
    RESIDUAL_BLOCKS,
    Model,
    largest_num_blocks,
)
from models.config.parameters import (
    Diagnostics,
    Parameters,
)
from models.config.sizes import (
    ParameterCount,
    block_levels,
    kept_modes,
    level_widths,
)
from models.config.stats import (
    STATS,
)
from models.config.tables import (
    Integer,
    Table,
)
from models.config.train import (
    Adam,
    AdamW,
    Clip,
    Constant,
    NoClip,
    NormClip,
    Optimizer,
    Scheduler,
    Sgd,
    Train,
    WarmupCosine,
    num_held_out,
    num_training_patches,
    steps_per_epoch,
)

__all__ = [
    "BELONGS",
    "RESIDUAL_BLOCKS",
    "STATS",
    "Adam",
    "AdamW",
    "Clip",
    "Constant",
    "Dataset",
    "Diagnostics",
    "Integer",
    "Model",
    "NoClip",
    "NormClip",
    "Optimizer",
    "ParameterCount",
    "Parameters",
    "Part",
    "Scheduler",
    "Sgd",
    "Stage",
    "Table",
    "Train",
    "WarmupCosine",
    "block_levels",
    "count_parameters",
    "kept_modes",
    "largest_num_blocks",
    "level_widths",
    "num_held_out",
    "num_training_patches",
    "stages_of",
    "step_operations",
    "steps_per_epoch",
]
