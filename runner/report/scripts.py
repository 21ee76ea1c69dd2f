"""Scripts that stand in a page, and the policy by which a browser runs these and no others."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from markupsafe import Markup

from runner.core.digest import canonical_json

IN_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Signs of JSON that a page could take for markup; they occur in texts alone."""


def joined(names: Sequence[str]) -> Markup:
    """The scripts of these names, files of this room, as the content of one element."""
    content = "\n".join(map(_text_of, names))
    assert "</script" not in content.lower(), "it would end the element"
    assert "<!--" not in content, "it would begin a comment"
    return Markup(content)  # noqa: S704 - ours, and nothing of a hub is in it


def vendored(name: str) -> Markup:
    """A file of others that a page has beside their script, as it is."""
    content = _text_of(f"vendored/{name}")
    assert "<" not in content, "it stands in a style or in a comment"
    return Markup(content)  # noqa: S704 - it came with the script


def _text_of(name: str) -> str:
    """A file of this room."""
    return files("runner.report").joinpath(name).read_text(encoding="utf-8")


def policy(*contents: str) -> str:
    """What a page may do: show what is in it, and run a script with one of these contents."""
    digests = (hashlib.sha256(content.encode()).digest() for content in contents)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"


def data(table: object) -> Markup:
    """A value as JSON that stands in an element of a page: no sign in it can end the element."""
    text = canonical_json(table).decode()
    for sign, spelled in IN_HTML.items():
        text = text.replace(sign, spelled)
    return Markup(text)  # noqa: S704 - no sign of markup is left
