"""A run in a terminal of 80 columns: what stands there at its end."""

import re

from runner.hub import layout
from tests.faults.phase import Terminal, manifest, words_of_run

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_a_run_shows_how_far_it_is_and_ends_with_outcome_table_report_and_hub(
    tmp_path, interpreter
):
    terminal = Terminal(*words_of_run(tmp_path, interpreter, manifest(one="held", two=0)))
    shown = terminal.read_until(b"one  \x1b")  # the line of an arm that runs
    (out,) = tmp_path.glob("artifacts/tiny/.staging-*/.attempts/one/1/out")
    (out / "go").touch()
    shown += terminal.read_until(b"report.html")
    shown += terminal.read_until(b"Z\r\n")
    terminal.close()
    (hub,) = layout.find_hubs(tmp_path / "artifacts")
    assert re.search(r"[01]/2 arms", shown)
    # What was drawn and taken away again stands before the sign that clears a line.
    stays = [CODES.sub("", line.rpartition("\x1b[2K")[2]) for line in shown.splitlines()]
    (place,) = (n for n, line in enumerate(stays) if line.startswith("tiny: 2 invalid output, sea"))
    arms, rules, _reached, report, *_, path = stays[place + 1 :]
    assert arms.split() == ["arms", "0", "of", "2", "succeeded"]
    assert rules.split()[0] == "rules"
    assert report == f"report: {(hub / 'report.html').as_uri()}"
    assert path == str(hub)
