"""A hub by the name of its phase, or as the latest of all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.core.errors import NoHubError
from runner.hub.checksums import write_checksums
from runner.hub.layout import write_record
from runner.hub.named import named_hub

ROOT = Path(__file__).parents[3]
HUBS = ("phase7/2026-01-31T050000Z", "phase8/2026-01-29T050000Z", "phase8/2026-01-30T050000Z")


@pytest.fixture
def here(tmp_path, record, monkeypatch):
    """A working folder with three hubs below ``artifacts``."""
    for name in HUBS:
        folder = tmp_path / "artifacts" / name
        folder.mkdir(parents=True)
        (folder / "report.html").write_text("<html>")
        write_record(folder, record.model_copy(update={"phase": name.partition("/")[0]}))
        write_checksums(folder)
    (tmp_path / "artifacts" / "phase9" / ".staging-2026-02-01T050000Z").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("latest", HUBS[0]),
        ("phase7", HUBS[0]),
        ("phase8", HUBS[2]),
        (HUBS[1], HUBS[1]),
        (f"artifacts/{HUBS[1]}", HUBS[1]),
    ],
)
def test_a_name_means_the_newest_hub_that_has_it(here, given, found):
    assert named_hub(Path(given)) == Path("artifacts") / found


def test_what_is_there_is_meant_by_its_name(here):
    (here / "phase8").symlink_to(here / "artifacts" / HUBS[1])
    assert named_hub(Path("phase8")) == Path("phase8")


@pytest.mark.parametrize("given", ["../phase8", "/phase8", "Phase8", "phase8/other", ".", "a\0b"])
def test_what_is_no_name_stays_as_it_is(here, given):
    assert named_hub(Path(given)) == Path(given)


def test_a_name_that_no_hub_has_is_answered_by_those_there_are(here):
    with pytest.raises(NoHubError, match=r"of a phase phase9 .* hubs of phase7 and phase8;"):
        named_hub(Path("phase9"))
    with pytest.raises(NoHubError, match="latest is no folder, and there is no sealed hub b"):
        named_hub(Path("latest"), Path("elsewhere"))


def phasehub(*words, **variables):
    return subprocess.run(
        [sys.executable, "-m", "runner", *words],
        capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
    )  # fmt: skip


def test_verbs_take_names_for_one_hub_and_for_several(here):
    assert phasehub("show", "latest").stdout.startswith("phase7: Optimizer sweep")
    done = phasehub("diff", "phase7", "phase8")
    assert f"artifacts/{HUBS[0]} cannot be read by this phasehub: plan.json" in done.stderr
    assert phasehub("show", "phase9").returncode == 66
    done = phasehub("docs", "sync", "phase9")
    assert (done.returncode, "of a phase phase9" in done.stderr) == (66, True)


def test_a_report_is_opened_in_the_browser_and_its_path_is_said_without_one(here):
    browser = here / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {here}/opened\n')
    browser.chmod(0o755)
    report = f"artifacts/{HUBS[2]}/report.html"
    assert phasehub("open", "phase8", BROWSER=str(browser)).stdout == f"{report}\n"
    assert (here / "opened").read_text() == f"{(here / report).as_uri()}\n"
    done = phasehub("open", "phase8", BROWSER="", PATH="", DISPLAY="")
    assert (done.returncode, done.stdout) == (0, f"{report}\n")
    (here / report).write_text("<script>")
    done = phasehub("open", "phase8", BROWSER=str(browser))
    assert (done.returncode, "is not as it was sealed" in done.stderr) == (4, True)
