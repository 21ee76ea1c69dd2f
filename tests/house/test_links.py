"""Every relative link of the documentation leads to a file that is there and not empty."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEALED = ROOT / "docs" / "study" / "hubs"
LINK = re.compile(r"(?<!\\)\]\(([^()\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def pages():
    """The Markdown files that git knows, and new ones that it does not ignore."""
    told = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / line for line in told.stdout.splitlines() if (ROOT / line).is_file()]


def is_sealed(page):
    return page.parent != SEALED and page.is_relative_to(SEALED)


def targets(page):
    """Where the relative links of a page lead, without their anchors."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    found = {target.partition("#")[0] for target in LINK.findall(text) if "://" not in target}
    return sorted(target for target in found if target and not target.startswith("mailto:"))


def leads_somewhere(place):
    if place.is_dir():
        return any(place.iterdir())
    return place.is_file() and place.stat().st_size > 0


OPEN = [page for page in pages() if not is_sealed(page)]
KEPT = [page for page in pages() if is_sealed(page)]


@pytest.mark.parametrize("page", OPEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_to_something(page):
    assert [one for one in targets(page) if not leads_somewhere(page.parent / one)] == []


@pytest.mark.parametrize("page", KEPT, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_sealed_page_names_only_files_that_its_hub_has(page):
    """Their bytes cannot be changed: what is not kept here must at least be in the whole hub."""
    listed = (page.parent / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sealed = {line.split("  ", 1)[1] for line in listed}
    assert [one for one in targets(page) if one not in sealed] == []


def test_there_are_pages_of_both_kinds():
    assert len(OPEN) > 30
    assert KEPT
    assert any(targets(page) for page in KEPT)
