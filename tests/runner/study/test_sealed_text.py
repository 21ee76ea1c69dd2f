"""A sealed page fits into another one: headings, links, pictures, fences."""

from runner.study.sealed_text import embedded

SEALED = """\
# phase8: Optimizer sweep

See [plan.json](plan.json) and [the log](stage_a_arm_one.log).

![one: picture](arms/one/recon.png)
*one: picture.*

![one: other](arms/one/huge.png)
*one: other.*

## What differs

A text with \\[brackets\\](not/a/link), [a page](https://example.org/x), [a place](#here).

```text
## no heading
[plan.json](plan.json)
```
### Deeper
"""
KEPT = {"plan.json", "arms/one/recon.png"}


def fitted(text=SEALED):
    return embedded(text, folder="hubs/phase8/then", has=KEPT.__contains__, deeper=1)


def test_links_lead_to_where_the_hub_is_kept():
    assert "[plan.json](hubs/phase8/then/plan.json)" in fitted()
    assert "![one: picture](hubs/phase8/then/arms/one/recon.png)" in fitted()


def test_what_is_not_kept_is_not_linked():
    text = fitted()
    assert "and the log." in text
    assert "huge" not in text
    assert "\n\n*Not kept here: one: other.*\n\n### What differs" in text
    assert "*one: picture.*" in text


def test_headings_go_down_and_the_title_is_left_out():
    headings = [line for line in fitted().splitlines() if line.startswith("#")]
    assert headings == ["### What differs", "## no heading", "#### Deeper"]


def test_fenced_lines_addresses_and_escaped_brackets_stay_as_they_are():
    text = fitted()
    assert "```text\n## no heading\n[plan.json](plan.json)\n```" in text
    assert "\\[brackets\\](not/a/link)" in text
    assert "(https://example.org/x), [a place](#here)" in text


def test_a_longer_fence_is_not_ended_by_a_shorter_one():
    text = "````text\n```\n# not a heading\n````\n# heading\n"
    assert fitted(text) == "````text\n```\n# not a heading\n````\n## heading"


HOSTILE = """\
# title

<script>alert(1)</script> <img src=x onerror=alert(1)> a<br>b
![spy](https://example.org/spy.png) [run](javascript:alert(1)) ![x](data:text/html,x)
[ref]: javascript:alert(1)

```text
<b>code</b>
~~~
```

~~~
```text
~~~
<script>alert(2)</script>
```
\x1b[2J\u202eevil
"""


def test_nothing_of_a_foreign_page_is_html_a_script_or_a_picture_from_elsewhere():
    text = fitted(HOSTILE)
    fences = text.count("```")
    assert fences % 2 == 0
    outside = "".join(part for place, part in enumerate(text.split("```")) if place % 2 == 0)
    assert "<" not in outside.replace("<br>", "")
    assert "](javascript:" not in outside
    assert "]: javascript:" not in outside
    assert "](https://example.org/spy.png" not in text
    assert "](data:" not in text
    assert "\n~~~" not in outside
    assert all(sign.isprintable() or sign == "\n" for sign in text)
