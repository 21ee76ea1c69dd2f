"""The notebook of the documentation, run as a reader runs it, on a hub of two arms."""

import json
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
RUN = """
import sys
import nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], as_version=4)
nbformat.validate(book)
NotebookClient(book, timeout=240, kernel_name="python3").execute()
print(nbformat.writes(book))
"""


def outputs(book):
    return [out for cell in book["cells"] for out in cell.get("outputs", ())]


def test_the_notebook_runs_to_its_end_and_shows_table_and_plots(tools, artifacts):
    (path,) = FOLDER.glob("*.ipynb")
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert outputs(stored) == []
    assert all(cell.get("execution_count") is None for cell in stored["cells"])
    shown = outputs(json.loads(tools("-c", RUN, path, cwd=artifacts.parent)))
    printed = "".join("".join(out["text"]) for out in shown if out["output_type"] == "stream")
    assert "tiny/2026-11-22T104255Z: A phase for tests\nIs it the same again?\n" in printed
    assert "223 files are as they were sealed" in printed
    assert "amplitude SSIM 0.037" in printed
    kinds = [kind for out in shown for kind in out.get("data", ())]
    assert kinds.count("image/png") == 2
    assert kinds.count("text/html") == 1
