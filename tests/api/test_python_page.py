"""The examples of docs/python.md and of the recipes, run with pandas and xarray beside a hub."""

import re
from pathlib import Path

HOW_TO = Path(__file__).parents[2] / "docs" / "howto.md"
PAGE = Path(__file__).parents[2] / "docs" / "python.md"
RUN = """
import doctest, sys
found = doctest.testfile(
    sys.argv[1], module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
)
print(found.attempted)
raise SystemExit(found.failed > 0)
"""


def test_every_example_of_the_page_gives_what_it_says(tools, artifacts):
    attempted = int(tools("-c", RUN, PAGE, cwd=artifacts.parent))
    assert attempted == PAGE.read_text().count(">>> ") > 15


def test_the_recipe_for_pandas_runs(tools, artifacts):
    (lines,) = re.findall(r"^```python\n(.*?)^```", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    said = tools("-c", lines + "print(len(every))", cwd=artifacts.parent)
    assert said.splitlines()[0].split() == ["train.learning_rate", "amp_ssim", "collapsed"]
    assert said.splitlines()[-1] == "2"
