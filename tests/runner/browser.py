"""A page in headless Chromium: what it looks like to a script that asks it, its own policy held."""

import html
import json
import re
import shutil
import subprocess

import pytest

from runner.report.scripts import policy

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
DONE = re.compile(r'<pre id="answer">(.*?)</pre>', re.DOTALL)
ASK = """
window.addEventListener("load", async () => {
  let answer;
  try { answer = await (async () => { %s })(); } catch (error) { answer = {error: String(error)}; }
  const place = document.createElement("pre");
  place.id = "answer";
  place.textContent = JSON.stringify(answer);
  document.body.append(place);
});
"""


def ask(page, folder, script, *, width=1280, dark=False):
    """What a script returns that runs in a page once it has loaded, as the last of its scripts.

    The page's policy is held: it may run its own script and this one, and load nothing.
    """
    content = ASK % script
    allowed = re.search(r"script-src ('sha256-[^']+')", policy(content))[1]
    assert "script-src 'sha256-" in page
    text = page.replace("script-src ", f"script-src {allowed} ", 1)
    text = text.replace("</body>", f"<script>{content}</script></body>")
    (folder / "asked.html").write_text(text)
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--virtual-time-budget=20000", f"--window-size={width},900"),
            *(("--force-dark-mode", "--blink-settings=preferredColorScheme=0") if dark else ()),
            *(f"--user-data-dir={folder}/profile", "--dump-dom", f"file://{folder}/asked.html"),
        ],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    found = DONE.search(done.stdout)
    assert found, done.stderr[-2000:]
    answer = json.loads(html.unescape(found[1]))
    assert not (isinstance(answer, dict) and "error" in answer), answer
    return answer
