"""A job that goes silent is stopped, also by a process that has only taken its run up."""

import json

from tests.faults.phase import Begun, arms, manifest, phasehub, remains

BEAT = (
    'while [ ! -e "$1/go" ]; do echo \'{"event":"stage","stage":"alive"}\' >> "$1/events.jsonl"; '
    "sleep 0.05; done"
)
SILENT = manifest(quiet="held").replace("threads = 1", "threads = 1\nsilent_for_min = 0.05") + (
    '[[arms]]\nname = "talking"\n'
    f'command = ["/bin/sh", "-c", {json.dumps(BEAT)}, "arm", "{{out}}"]\n'
)


def test_an_arm_that_goes_silent_is_stopped_and_marked_and_no_other(tmp_path, interpreter):
    first = Begun(tmp_path, interpreter, SILENT)
    try:
        assert first.wait_for(lambda run: run.told("started", "quiet"))
        first.runner.kill()
        first.end()
        run = Begun.resumed(first)
        assert run.wait_for(lambda run: run.told("concluded", "quiet")), run.said.read_text()
        assert run.wait_for(lambda run: run.told("started", "talking"))
        assert not run.told("ended", "talking")
        run.let_go("talking")
        assert run.end() == 1
    finally:
        first.end_all()
    quiet, talking = (arms(run.hubs[0])[name] for name in ("quiet", "talking"))
    assert (quiet.status, quiet.attempts) == ("silent", 1)
    assert quiet.message.startswith("no sign of life for 0.05 min: ")
    assert talking.status != "silent"
    assert phasehub("verify", run.hubs[0]).returncode == 0
    assert remains(tmp_path) == []
