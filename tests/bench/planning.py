"""Checking, planning and showing a matrix of 1,000 arms against the same for one arm."""

from __future__ import annotations

import tempfile
from pathlib import Path

from runner.manifest.model import load
from runner.plan.make import make_plan
from runner.report.plan_text import render_plan
from tests.bench.pairs import compare

PHASE = """\
schema_version = 1
[phase]
name = "bench"
title = "A matrix"
question = "How fast is it planned?"
seed = 1
[matrix]
model.architecture = ["hybrid", "stable_hybrid"]
model.hidden_channels = {channels}
train.learning_rate = {rates}
seed = {seeds}
[profiles.quick.train]
epochs = 2
"""


def plan(path: Path, arms: int) -> None:
    """All that `phasehub plan` does with a manifest."""
    made = make_plan(load(path))
    if len(made.arms) != arms or not render_plan(made):
        raise SystemExit(f"{len(made.arms)} arms were planned, not {arms}")


def measure() -> None:
    """Print seconds for 1,000 arms of 200 configurations, and of 1,000."""
    with tempfile.TemporaryDirectory() as folder:
        for title, channels, rates, seeds in (
            ("5 seeds of 200 configurations", 10, 10, 5),
            ("1 seed of 1,000 configurations", 10, 50, 1),
        ):
            many, one = Path(folder, "many", "bench.toml"), Path(folder, "one", "bench.toml")
            for path in (many, one):
                path.parent.mkdir(exist_ok=True)
            many.write_text(
                PHASE.format(
                    channels=list(range(8, 8 + channels)),
                    rates=[round(1e-3 * (n + 1), 6) for n in range(rates)],
                    seeds=list(range(seeds)),
                )
            )
            text = PHASE.format(channels=[8], rates=[1e-3], seeds=[1])
            one.write_text(text.replace('["hybrid", "stable_hybrid"]', '["hybrid"]'))
            compare(
                f"Check, plan and plan text: {title}",
                ("1,000 arms", lambda many=many: plan(many, 1000)),
                ("1 arm", lambda one=one: plan(one, 1)),
                rounds=5,
                unit="s",
            )
