"""What an arm of the study measures: its files, its scores, how pages show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from models.config import STATS
from runner.experiment.interface import ArmFiles, Plot, Results, Tables, Values
from runner.experiment.ptychography.parameters import RECORDING

Columns = tuple[tuple[str, str], ...]

COMMON: Columns = (
    ("val loss, best", "val_loss_best"),
    ("val loss, final", "val_loss_final"),
    ("amp SSIM", "amp_ssim"),
    ("amp MAE", "amp_mae"),
)
PLAIN: Columns = (("phase SSIM", "phase_ssim"), ("phase MAE", "phase_mae"))
"""Of arms by definition 1."""
ALIGNED: Columns = (
    ("phase SSIM, aligned", "phase_aligned_ssim"),
    ("phase MAE, aligned", "phase_aligned_mae"),
)
"""Of arms by definition 2."""
DEFINITIONS = {
    1: "by the old definition 1: the phase is scored with its global phase, which no measurement "
    "tells, and collapsed means flat, not finite or unlike the object",
    2: "by definition 2: the phase is scored once its global phase is aligned, and collapsed means "
    "flat",
}

CollapseKind = Literal["flat", "not_finite", "unlike_object"]

FIELDS: dict[str, tuple[Any, Any]] = {
    "collapsed": (bool | None, None),
    "collapse_epoch": (int | None, None),
    "collapse_reason": (str | None, None),
    "collapse_kind": (
        CollapseKind | None,
        Field(
            None,
            description="What the reconstruction has come to, in one word; ``null`` also by "
            "definition 1.",
        ),
    ),
    "score_definition": (
        Annotated[int, Field(ge=1)],
        Field(
            1,
            description="Which definitions its scores and its collapse have (docs/physics.md). By "
            "1, which hubs\nwithout this key have, phases are scored with their global phase, and "
            "what is not finite or\nunlike the object has collapsed as well as what is flat.",
        ),
    ),
}
"""What the record of an arm has of its collapse and of its scores."""


def recorded(stats: Mapping[str, Any]) -> dict[str, Any]:
    """``FIELDS`` by the arm's ``stats.json``."""
    return {name: stats.get(name, 1 if name == "score_definition" else None) for name in FIELDS}


def definition(values: Values) -> int:
    """By which definitions an arm is scored."""
    return int(values["score_definition"])


def columns(arms: Iterable[Values]) -> Columns:
    """The columns for arms: scores of the phase by the definitions that the arms have."""
    found = {min(definition(arm), 2) for arm in arms}
    phases = {1: PLAIN, 2: ALIGNED}
    return COMMON + tuple(pair for number in sorted(found or {1}) for pair in phases[number])


def definitions(number: int) -> str:
    """Such definitions in words."""
    return DEFINITIONS.get(number, f"by definition {number}, which this phasehub does not know")


def brief(values: Values) -> tuple[str, ...]:
    """The scores that a line on the console names."""
    phase = "phase_ssim" if definition(values) < 2 else "phase_aligned_ssim"
    return ("amp_ssim", "amp_mae", phase)


def odd(stats: Mapping[str, Any]) -> Iterator[str]:
    """What a score does not tell of an arm."""
    if stats.get("low_contrast") is True:
        share = stats.get("amp_contrast")
        part = f"{share:.0%}" if isinstance(share, float) else "little"
        yield f"its amplitude has {part} of the true contrast"
    if stats.get("phase_flat") is True:
        yield "its phase is constant, while its amplitude is not: the phase alone has collapsed"
    lost, again = stats.get("nonfinite_epoch"), stats.get("recovered_epoch")
    if isinstance(lost, int) and isinstance(again, int):
        yield f"its losses were not finite at epoch {lost}, and finite again from epoch {again} on"


def activation_report(tables: Tables) -> object:
    """Name of the activation report that an arm was to write; ``None`` for none."""
    recording = tables.get(RECORDING)
    return recording.get("activation_report") if isinstance(recording, dict) else None


FILES = ArmFiles(
    effective="effective_config.json",
    history="history.json",
    stats="stats.json",
    metrics="metrics.json",
    timing="timing.json",
    compared=("stats.json", "history.json", "metrics.json", "grad_norms.csv"),
    also_compared=activation_report,
    order=(
        ("weights", ("*.pt", "checkpoints.json")),
        ("history", ("history.json", "grad_norms.csv")),
        ("live configuration", ("effective_config.json",)),
        ("scores", ("stats.json", "metrics.json", "recon.npz", "statistics.json")),
        ("reports", ("*.npz", "*.json", "*.csv")),
        ("pictures", ("*.png", "*.svg", "*.pdf")),
    ),
    fitted=("weights", "history"),
    telling=(
        r".*_metrics_.*\.json",
        r"losses\.png",
        r"arms/[^/]+/recon\.png",
        r"scores\.png",
        r"(?!arms/).*\.png",
        r"arms/[^/]+/(stats|history)\.json",
        r"arms/[^/]+/loss\.png",
        r"arms/[^/]+/(metrics|effective_config)\.json",
        r"arms/[^/]+/activation_report[^/]*\.json",
        r"arms/[^/]+/[^/]+\.csv",
    ),
)

SIDES = (
    ("before_collapse", "with the weights before the epoch of the collapse"),
    ("at_collapse", "with the weights after it"),
)
"""What an arm keeps of its collapse: the end of names of files, and which weights these are of."""


def at_collapse(heading: str, name: str, caption: str) -> Iterator[tuple[str, Plot]]:
    """The two pictures that an arm leaves of its collapse, under a heading."""
    for side, when in SIDES:
        yield heading, Plot(name=f"{name}_{side}.png", caption=f"{caption}, {when}")


RESULTS = Results(
    files=FILES,
    statistics=STATS,
    flags={
        "collapsed": ("collapsed", "not collapsed"),
        "not_finite": ("not finite", "finite"),
        "unlike_object": ("unlike the object", "like the object"),
        "unfinished": ("unfinished", "finished"),
        "diverged": ("diverged", "not diverged"),
        "has_nan": ("losses that are not finite", "finite losses"),
        "phase_flat": ("constant phase", "no constant phase"),
        "low_contrast": ("low contrast", "no low contrast"),
    },
    timing=("wall_s", "steps_per_s", "peak_memory_bytes"),
    example_rule="amp_ssim >= 0.80 and not collapsed",
    example_statistic="amp_ssim",
    fields=FIELDS,
    recorded=recorded,
    tabled=("collapsed", "collapse_epoch", "collapse_reason"),
    measures=(
        "amp_ssim",
        "amp_mae",
        "phase_aligned_ssim",
        "phase_aligned_mae",
        "phase_ssim",
        "phase_mae",
        "val_loss_best",
        "val_loss_final",
    ),
    worded=("amp_ssim",),
    foremost=(
        "score_definition",
        "collapsed",
        "amp_ssim",
        "phase_aligned_ssim",
        "phase_ssim",
        "val_loss_best",
        "val_loss_final",
    ),
    brief=brief,
    columns=columns,
    definition=definition,
    definitions=definitions,
    definitions_of="Scores and collapse",
    baseline="constant_",
    best="best_",
    odd=odd,
    odd_about="contrast, phase or lost numbers",
    explained="Scores are those of the last epoch on the test object; epochs are counted from 0.",
    baseline_name="a constant image",
    baseline_words="A constant image would score {scores} on the same object.",
    plots=(
        Plot(name="scores.png", caption="scores of every run, by group"),
        Plot(
            name="losses.png",
            caption="losses, and the decoder's dead share, by epoch; a cross where an arm "
            "collapsed",
        ),
        Plot(name="learning_rates.png", caption="learning rate as it was used, by epoch"),
        Plot(
            name="gradient_norms.png",
            caption="norm of the gradient before and after clipping, by step",
        ),
        Plot(
            name="correlations.png",
            caption="Fourier ring correlation with the truth, by spatial frequency",
        ),
        Plot(
            name="activations.png",
            caption="activations of every layer, from the input to the output",
        ),
    ),
    pictures=(
        (
            "Reconstructions",
            Plot(name="recon.png", caption="reconstruction, ground truth and error", is_wide=False),
        ),
        (
            "Learning curves",
            Plot(name="loss.png", caption="losses and learning rate by epoch", is_wide=False),
        ),
        *at_collapse("Gradients at the collapse", "grad_hist", "gradients of every tensor"),
        *at_collapse(
            "Activations at the collapse", "activation_profile", "activations of every layer"
        ),
    ),
    kept=tuple(
        f"{name}_{side}.png" for name in ("grad_hist", "activation_profile") for side, _ in SIDES
    ),
)
