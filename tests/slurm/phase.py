"""A phase on a cluster: how it is begun there, and what the queue says of it."""

import json

from tests.faults.phase import Begun

SITE = """
[slurm]
partition = "all"
look_every_s = 0.5
result_within_s = {result_within_s}
held_at_most_s = 1.0
controller_within_s = 1.0
"""


def begun(folder, interpreter, text, *options, result_within_s=2.0):
    folder.mkdir(exist_ok=True)
    (folder / "phasehub.toml").write_text(SITE.format(result_within_s=result_within_s))
    return Begun(folder, interpreter, text, options=("--engine", "slurm", *options))


def sealed(run, status=1):
    """The hub of a run that one arm has failed in, when it is there."""
    assert run.end() == status, run.said.read_text()
    return run.hubs[0]


def states_of(cluster, hub, arm):
    """What the queue says of each job that was submitted for an arm."""
    first_line = (hub / "journal.jsonl").read_text().splitlines()[0]
    key = f"phasehub-{json.loads(first_line)['run']}-{arm}-"
    return [state for name, state in cluster.jobs() if name.startswith(key)]
