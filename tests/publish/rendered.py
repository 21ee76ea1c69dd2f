"""How many parts of each kind a page has, in a repository browser and on the site."""

from collections import Counter
from html.parser import HTMLParser

from markdown_it import MarkdownIt

COUNTED = ("h1", "h2", "h3", "h4", "h5", "h6", "li", "tr", "img", "a", "code", "pre")


class Parts(HTMLParser):
    """Counts elements; on the site within the article alone, and without what the theme adds."""

    def __init__(self, *, site):
        super().__init__()
        self.inside, self.counted, self.skipped = not site, Counter(), False

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.inside = self.inside or tag == "article"
        added = attributes.get("class") in ("headerlink", "md-content__button md-icon")
        line = tag == "a" and (attributes.get("id") or "").startswith("__codelineno")
        if self.inside and tag in COUNTED and not added and not line:
            self.counted[tag] += 1

    def handle_endtag(self, tag):
        if tag == "article":
            self.inside = False


def _count(html, *, site):
    parser = Parts(site=site)
    parser.feed(html)
    return parser.counted


def in_repository(markdown):
    return _count(MarkdownIt("commonmark").enable("table").render(markdown), site=False)


def on_site(html):
    return _count(html, site=True)
