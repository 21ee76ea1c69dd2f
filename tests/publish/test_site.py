"""The site of the documentation: every link and anchor holds, nothing is loaded from elsewhere."""

import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.house.test_links import pages
from tests.publish.rendered import in_repository, on_site

ROOT = Path(__file__).parents[2]
MKDOCS = ROOT / ".venv-publish" / "bin" / "mkdocs"
PLACES = ("docs", "manifests")
"""Folders whose pages are on the site, beside those of the root."""
LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements for which a browser requests something by itself."""


def build(target, *options):
    if not MKDOCS.exists():
        pytest.fail("the environment of the site is not installed; `nox -s tests` installs it")
    return subprocess.run(
        [MKDOCS, "build", "--strict", "--site-dir", target, *options],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site; a link or an anchor that leads nowhere fails here."""
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


class Requests(HTMLParser):
    """What a page has a browser request."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if (address := attributes.get(LOADING.get(tag, ""))) and attributes.get(
            "rel"
        ) != "canonical":
            self.found.append(address)


def requests(html):
    parser = Requests()
    parser.feed(html)
    return parser.found


def elsewhere(addresses):
    return [one for one in addresses if urlsplit(one).netloc]


def built(site, page):
    """The HTML of a page of the repository."""
    name = "index" if page.stem == "README" else page.stem
    return (site / page.relative_to(ROOT).parent / f"{name}.html").read_text(encoding="utf-8")


def shown():
    places = [page.relative_to(ROOT) for page in pages()]
    return [ROOT / place for place in places
            if len(place.parts) == 1 or place.parts[0] in PLACES]  # fmt: skip


def test_what_a_page_loads_is_found():
    html = (
        '<img src="a.png"><link rel=stylesheet href="https://c.d/e.css"><a href="https://f.g">h</a>'
    )
    assert requests(html) == ["a.png", "https://c.d/e.css"]
    assert elsewhere(requests(html)) == ["https://c.d/e.css"]


def test_nothing_is_loaded_from_elsewhere_and_what_is_loaded_is_there(site):
    found = list(site.rglob("*.html"))
    assert len(found) > 50
    for page in found:
        html = page.read_text(encoding="utf-8")
        loaded = requests(html)
        assert elsewhere(loaded) == [], page
        assert "default-src 'self' file: data: blob: 'unsafe-inline'" in html, page
        local = [one.partition("?")[0] for one in loaded if not one.startswith("data:")]
        base = site if page.name == "404.html" else page.parent
        assert [one for one in local if not (base / one.lstrip("/")).is_file()] == [], page
    for sheet in site.rglob("*.css"):
        addresses = re.findall(r"url\(\s*[\"']?(https?:[^)]*)", sheet.read_text(encoding="utf-8"))
        assert addresses == [], sheet
        assert "@import" not in sheet.read_text(encoding="utf-8")


def test_every_page_reads_the_same_in_the_repository_and_on_the_site(site):
    """Two dialects of Markdown: what is a list in one is a paragraph in the other, if not held."""
    assert len(shown()) > 40
    differing = {}
    for page in shown():
        there = in_repository(page.read_text(encoding="utf-8"))
        here = on_site(built(site, page))
        if there != here:
            differing[page.name] = {tag: (n, here[tag]) for tag, n in (there | here).items()}
    assert differing == {}


def test_every_page_is_in_the_navigation(site):
    """Those of folders of hubs excepted: pages of phases lead to them."""
    html = built(site, ROOT / "README.md")
    sidebar = html[html.index("md-sidebar--primary") : html.index("md-sidebar--secondary")]
    names = {page: page.relative_to(ROOT).with_suffix(".html").as_posix() for page in shown()
             if not page.is_relative_to(ROOT / "docs" / "study" / "hubs")}  # fmt: skip
    missing = [
        name for name in names.values()
        if f'href="{name.replace("README.html", "index.html")}"' not in sidebar
    ]  # fmt: skip
    assert missing == []


def test_a_link_or_an_anchor_that_leads_nowhere_is_refused(tmp_path):
    """The same settings on two pages of a project of its own."""
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for name, target in (("link", "missing.md"), ("anchor", "other.md#no-such-heading")):
        folder = tmp_path / name
        (folder / "docs").mkdir(parents=True)
        kept = re.sub(r"^(hooks|nav|theme):\n(?:[ #].*\n|\n)+", "", settings, flags=re.MULTILINE)
        (folder / "mkdocs.yml").write_text(kept)
        (folder / "docs" / "index.md").write_text(f"# A page\n\n[a link]({target})\n")
        (folder / "docs" / "other.md").write_text("# Another\n")
        done = build(folder / "site", "--config-file", folder / "mkdocs.yml")
        assert done.returncode == 1, done.stderr
        assert target.partition("#")[2] in done.stderr
        assert "other.md" in done.stderr or "missing.md" in done.stderr
