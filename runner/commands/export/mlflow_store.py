"""MLflow: a run of the phase's experiment for every arm, in a SQLite store."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.commands.export.runs import ExportedArm, ExportedHub, library, points, spelled
from runner.core.errors import ExportError

HUB = "phasehub.hub_sha256"
MOST_AT_ONCE = 100
"""Of parameters and tags that MLflow takes in one call."""
MOST_METRICS = 1000
LONGEST = 5000
"""Of a value; MLflow refuses what is longer."""
_REFUSED = re.compile(r"[^\w\-./ ]")


def write(hub: ExportedHub, target: Path) -> None:
    """Add the arms of a hub to the store ``target``, a file that is made if it is not there.

    Raises ``ExportError`` where the hub is in it already, and for what MLflow refuses.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # an export asks nothing of any network
    mlflow = library("mlflow", "mlflow")
    for needed in ("sqlalchemy", "alembic"):
        library(needed, "mlflow")
        logging.getLogger(needed).setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    made: list[str] = []
    try:
        client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{target.absolute()}")
        experiment = _experiment(client, hub, target)
        for arm in hub.arms:
            tags = {HUB: hub.sha256, "phasehub.hub": hub.name, "mlflow.note.content": hub.title}
            run = client.create_run(experiment, _ms(arm.started), tags=tags, run_name=arm.name)
            made.append(run.info.run_id)
            _fill(client, made[-1], mlflow.entities, arm)
    except mlflow.exceptions.MlflowException as error:
        for one in made:  # so that the hub is in the store as a whole or not at all
            client.delete_run(one)
        raise ExportError(f"{target}: MLflow says: {error}") from None


def _experiment(client: Any, hub: ExportedHub, target: Path) -> str:  # noqa: ANN401 - MLflow's
    """The id of the phase's experiment, which has nothing of this hub."""
    known = client.get_experiment_by_name(hub.phase)
    if known is None:
        artifacts = target.absolute().with_name(f"{target.stem}-artifacts")
        return str(client.create_experiment(hub.phase, artifact_location=artifacts.as_uri()))
    found: str = known.experiment_id
    if client.search_runs([found], f"tags.`{HUB}` = '{hub.sha256}'", max_results=1):
        raise ExportError(f"{target} has {hub.name} already; name another store with --output")
    return found


def _fill(client: Any, run: str, of: Any, arm: ExportedArm) -> None:  # noqa: ANN401 - MLflow's
    words = [of.RunTag(_name(name), word[:LONGEST]) for name, word in arm.words.items()]
    for part in _parts(words, MOST_AT_ONCE):
        client.log_batch(run, tags=part)
    knobs = [of.Param(_name(name), spelled(value)[:LONGEST]) for name, value in arm.knobs.items()]
    for part in _parts(knobs, MOST_AT_ONCE):
        client.log_batch(run, params=part)
    at = _ms(arm.ended) or 0
    metrics = [of.Metric(_name(point.name), point.value, at, point.unit) for point in points(arm)]
    for part in _parts(metrics, MOST_METRICS):
        client.log_batch(run, metrics=part)
    client.set_terminated(run, "FINISHED" if arm.succeeded else "FAILED", end_time=at or None)


def _parts(values: list[Any], most: int) -> Iterator[list[Any]]:
    for start in range(0, len(values), most):
        yield values[start : start + most]


def _ms(moment: datetime | None) -> int | None:
    """Milliseconds since 1970, as MLflow counts."""
    return None if moment is None else round(moment.timestamp() * 1000)


def _name(name: str) -> str:
    """A name as MLflow has them; other signs become underscores."""
    return _REFUSED.sub("_", name)
