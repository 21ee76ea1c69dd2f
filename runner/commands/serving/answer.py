"""What is sent to a browser, and what it may do with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

OURS = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Of pages that are made here: nothing but what this server has itself."""
THEIRS = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Of files that a hub has: no script, no request, no form, and an origin of their own."""
AFRESH = (
    "sandbox allow-scripts allow-downloads; {page}; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Of pages that this server makes of a hub: its own script runs, without this server's origin."""
HTML, TEXT, PNG = "text/html; charset=utf-8", "text/plain; charset=utf-8", "image/png"
SVG, PDF = "image/svg+xml", "application/pdf"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer."""

    body: bytes
    kind: str = HTML
    status: HTTPStatus = HTTPStatus.OK
    policy: str = OURS
    is_saved: bool = False
    """Whether a browser is to save it and not to show it."""


def refusal(status: HTTPStatus, why: str) -> Answer:
    """An answer that has no page."""
    text = f"{status.value} {status.phrase}: {why}\n"
    return Answer(body=text.encode(), kind=TEXT, status=status, policy=THEIRS)


def json_answer(value: object) -> Answer:
    """An answer for the script of a page."""
    body = json.dumps(value, ensure_ascii=True, allow_nan=False).encode()
    return Answer(body=body, kind="application/json")
