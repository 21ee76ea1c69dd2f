"""The session in which the jobs of a run run, and a job that runs while no other does."""

from __future__ import annotations

from runner.engines.base import Engine, Outcome
from runner.jobs.attempts import Attempt, renew
from runner.jobs.session import Session
from runner.phase.run import Run


def session_of(run: Run, engine: Engine, *, resumable: bool) -> Session:
    """The session in which a run's jobs run."""
    return Session(
        engine=engine,
        shown=run.shown,
        run_id=run.run_id,
        journal=run.journal,
        note=run.note,
        side_by_side=run.jobs,
        resumable=resumable,
    )


def run_alone(run: Run, session: Session, attempt: Attempt) -> Outcome:
    """Run one job while no other does; once more where others have ended it."""
    while True:
        outcome = session.run_alone(attempt)
        if not run.tries_again(attempt, outcome):
            return outcome
        attempt = run.after(attempt, outcome, renew(attempt))
