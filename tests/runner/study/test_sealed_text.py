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
