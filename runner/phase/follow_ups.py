"""What a phase does after its arms: reports on their stored weights, where a condition holds."""

from __future__ import annotations

from pathlib import Path

from runner.core.errors import VerificationError
from runner.engines.base import Outcome
from runner.hub import layout
from runner.hub.records.beside import StepRecord
from runner.jobs.attempts import Attempt
from runner.jobs.session import Session
from runner.manifest.follow_ups import Step
from runner.phase.captures import (
    CaptureOrder,
    choose,
    conclude_capture,
    lay_out_capture,
    require_stored,
    stored_checkpoints,
)
from runner.phase.conditions import judge_condition
from runner.phase.run import Run
from runner.phase.unfinished import WORK


def run_steps(run: Run, session: Session) -> None:
    """Take every step whose condition holds; what each came to is on record as soon as it ends."""
    for step in run.plan.steps:
        judged = judge_condition(step.when, [run.arms[job.name] for job in run.plan.arms])
        record = StepRecord(held=judged.held, basis=judged.basis, **vars(step))
        taken = "taken" if judged.held else "not taken"
        run.shown.say(f"step {step.name}: {judged.basis}: {taken}")
        if not judged.held:
            run.steps[step.name] = record
            continue
        orders, left_out = order_captures(run, step, judged.arms)
        run.steps[step.name] = record.model_copy(update={"left_out": left_out})
        if orders:
            take(run, step, orders, session)


def order_captures(
    run: Run, step: Step, arms: tuple[str, ...]
) -> tuple[list[CaptureOrder], dict[str, str]]:
    """What is to be made of which arm; and the arms that have no such weights, with the reason."""
    orders, left_out = [], {}
    for job in run.plan.arms:
        if job.name not in arms:
            continue
        folder = run.staging.path / layout.arm_dir(job.name)
        try:
            stored = stored_checkpoints(folder)
            name = choose(stored, name=step.checkpoint)
            require_stored(folder, stored[name])
        except (ValueError, VerificationError) as error:
            left_out[job.name] = str(error)
            continue
        orders.append(
            CaptureOrder(
                arm=job,
                arm_folder=folder,
                checkpoint=name,
                stored=stored[name],
                reports=step.capture,
            )
        )
    return orders, left_out


def take(run: Run, step: Step, orders: list[CaptureOrder], session: Session) -> None:
    """Run the jobs of one step side by side, and note each as it ends."""
    attempts = {
        (name := f"{step.name}_{order.arm.name}"): (
            lay_out_capture(
                order,
                name=name,
                folder=run.staging.path / WORK / layout.STEPS / step.name / order.arm.name,
                inputs=dataset.inputs,
                data_dir=dataset.folder,
                labels=run.labels,
            ),
            order,
        )
        for order in orders
        if (dataset := run.dataset_of(order.arm))
    }

    ordered = [order.arm.name for order in orders]

    def ended(attempt: Attempt, outcome: Outcome) -> None:
        order = attempts[attempt.launch.name][1]
        place: Path = run.staging.path / layout.step_dir(step.name, order.arm.name)
        capture = conclude_capture(order, attempt, outcome, place)
        record = run.steps[step.name]
        captures = sorted((*record.captures, capture), key=lambda one: ordered.index(one.arm))
        run.steps[step.name] = record.model_copy(update={"captures": tuple(captures)})

    laid_out = [attempt for attempt, _ in attempts.values()]
    session.run(laid_out, ended=ended)
