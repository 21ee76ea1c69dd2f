"""Every relative link of the documentation leads to a file that is there and not empty."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<!\\)\]\(([^()\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def pages():
    """The Markdown files that git knows, and new ones that it does not ignore."""
    told = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / line for line in told.stdout.splitlines() if (ROOT / line).is_file()]


def targets(page):
    """Where the relative links of a page lead, without their anchors."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    found = {target.partition("#")[0] for target in LINK.findall(text) if "://" not in target}
    return sorted(target for target in found if target and not target.startswith("mailto:"))


def leads_somewhere(place):
    if place.is_dir():
        return any(place.iterdir())
    return place.is_file() and place.stat().st_size > 0


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_to_something(page):
    assert [one for one in targets(page) if not leads_somewhere(page.parent / one)] == []


def test_the_pages_are_found():
    assert len(pages()) > 30
    assert sum(bool(targets(page)) for page in pages()) > 20
