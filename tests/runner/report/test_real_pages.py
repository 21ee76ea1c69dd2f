"""The pages of a hub that was really made: every link is opened, every picture is the hub's own."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

PAGES = ("README.md", "summary.md", "report.html")


class Addresses(HTMLParser):
    """Where a page leads, what it shows, and which places it has."""

    def __init__(self, text):
        super().__init__()
        self.links, self.images, self.ids = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.add(attrs.get("id"))
        if tag == "img":
            self.images.add(attrs["src"])
        elif "href" in attrs:
            self.links.add(attrs["href"])


def links(hub, name):
    text = (hub / name).read_text()
    if name.endswith(".html"):
        return Addresses(text).links
    return set(re.findall(r"(?<!\\)\]\(([^()\s]+)\)", text))


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_every_page_opens_something_that_is_not_empty(tiny_hubs, name):
    hub = tiny_hubs[0]
    found = links(hub, name)
    assert found
    inner = {link for link in found if link.startswith("#")}
    assert inner <= {f"#{one}" for one in Addresses((hub / name).read_text()).ids}
    assert [link for link in sorted(found - inner) if not (hub / link).read_bytes()] == []


def test_the_logs_of_the_arms_are_linked_and_tell_every_epoch(tiny_hubs):
    hub = tiny_hubs[0]
    for arm in json.loads((hub / "hub.json").read_bytes())["arms"]:
        assert arm["log"] in links(hub, "report.html")
        log = (hub / arm["log"]).read_text()
        history = json.loads((hub / "arms" / arm["name"] / "history.json").read_bytes())
        assert len(re.findall(r"epoch +\d+  train loss ", log)) == len(history["train_loss"])
        assert "wrote model.pt, " in log


def test_the_report_alone_in_an_empty_folder_has_all_its_pictures(tiny_hubs, tmp_path):
    hub = tiny_hubs[0]
    text = shutil.copyfile(hub / "report.html", tmp_path / "mailed.html").read_text()
    page = Addresses(text)
    assert page.images
    pictures = {path.read_bytes() for path in hub.rglob("*.png")}
    for address in page.images:
        kind, _, inside = address.partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(inside, validate=True) in pictures
    assert text.count("<script>") == 1
    code = re.sub(r'<script type="application/json" id="(curves|slider)-data">', "", text)
    assert not re.search(r"<(script |link|iframe|object|embed|video|audio|source)\b", code)
    assert not re.search(r"""(src|href)=["']?(https?:)?//|url\(|@import""", text)


def test_the_course_of_a_run_has_every_job_that_its_journal_names(tiny_hubs):
    hub = tiny_hubs[0]
    lines = map(json.loads, (hub / "journal.jsonl").read_text().splitlines())
    begun = [one["name"] for one in lines if one["event"] == "intended"]
    text = (hub / "report.html").read_text()
    drawing = text[text.index('<svg class="timeline"') : text.index("</svg></div>")]
    assert len(begun) >= 6
    assert len(re.findall(r'<rect class="(arm|audit|other)"', drawing)) == len(begun)
    for name in {name.partition(".")[0] for name in begun}:
        assert f">{name}</text>" in drawing
