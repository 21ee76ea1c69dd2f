"""The pages that are committed are what the committed hubs, manifests and register come to."""

import re
import shutil
from pathlib import Path

import pytest

from runner.study import sync
from runner.study.selection import STUDY_BYTES

ROOT = Path(__file__).parents[3]
STUDY = ROOT / "docs" / "study"
PAGES = sorted(STUDY.glob("*.md"))


def anchors(text):
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_committed_pages_are_up_to_date(tmp_path):
    for name in ("docs", "manifests", "tests/models"):
        shutil.copytree(ROOT / name, tmp_path / name)
    changed = sync([], artifacts=tmp_path / "artifacts", docs=tmp_path / "docs")
    stale = [path.relative_to(tmp_path).as_posix() for path in changed]
    assert stale == [], "run `phasehub docs sync` and commit what it changes"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_of_a_page_leads_somewhere(page):
    for target in re.findall(r"(?<!\\)\]\(([^()\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        place = page.parent / path if path else page
        assert not Path(path).is_absolute()
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place.read_text()), target


def test_the_pages_are_there():
    assert {"README.md", "history.md", "reference.md"} <= {path.name for path in PAGES}


def test_the_committed_hubs_keep_to_their_size_and_hold_no_weights():
    files = [path for path in (STUDY / "hubs").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= STUDY_BYTES
    assert not [path for path in files if path.suffix in (".pt", ".npz", ".jsonl", ".log")]


@pytest.mark.parametrize("name", ["phase10", "phase11"])
def test_a_phase_of_many_arms_is_one_table_and_one_picture_and_the_rest_is_folded(name):
    text = (STUDY / f"{name}.md").read_text()
    (folded,) = re.findall(r"^<details.*?^</details>$", text, re.MULTILINE | re.DOTALL)
    told = text.replace(folded, "")
    assert len(told.split()) < 600 < 4000 < len(folded.split())
    assert len(re.findall(r"^\|---", told, re.MULTILINE)) == 1
    assert len(re.findall(r"^!\[", told, re.MULTILINE)) == 1
    assert "### Over seeds" in folded
    assert "<details" not in (STUDY / "phase8.md").read_text()
