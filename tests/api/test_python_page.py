"""The examples of docs/python.md, run with pandas and xarray in a folder that has the hub."""

from pathlib import Path

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
