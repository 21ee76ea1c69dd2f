"""What the documentation says of the command line is what the command line does."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from runner import cli
from runner.cli import app
from runner.core import errors
from tests.house.test_links import pages

ROOT = Path(__file__).parents[2]
MOST_COLUMNS = 80
CODE = re.compile(r"`([^`\n]+)`|^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def verbs(group=None, before=()):
    """Words → command, groups left out."""
    for name, command in (group or get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from verbs(command, (*before, name))
        else:
            yield (*before, name), command


VERBS = dict(verbs())
GLOBAL = {"--help", "--version", "-h", "--install-completion", "--show-completion"}


def options(command):
    return {opt for one in command.params for opt in (*one.opts, *one.secondary_opts)} | GLOBAL


def lines_of_code(text):
    for short, block in CODE.findall(text):
        yield from (block or short).splitlines()


def wrong_in(line):
    """What of a line of code is no command line of ours, though it looks like one."""
    found = re.search(r"(?:^|[\s/])phasehub ((?:[a-z-]|\[)[^|#&;]*)", line)
    if not found:
        return None
    words = found[1].replace("[", " ").replace("]", " ").replace("…", " ").split()
    verb = next((tuple(words[:n]) for n in (2, 1) if tuple(words[:n]) in VERBS), None)
    if verb is None:
        return None if words[0].startswith("-") else f"no verb: {line}"
    unknown = [
        word for word in words[len(verb) :]
        if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in options(VERBS[verb])
    ]  # fmt: skip
    return f"no option {unknown} of {shlex.join(verb)}: {line}" if unknown else None


def sessions():
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {one.name for one in functions if one.decorator_list}


def documents():
    found = [page for page in pages() if page.name != "CHANGELOG.md"]
    assert len(found) > 20
    return found


def test_a_verb_or_an_option_that_does_not_exist_is_found():
    assert wrong_in("phasehub run --profile quick M") is None
    assert wrong_in(".venv/bin/phasehub docs sync HUB") is None
    assert wrong_in("pipx install phasehub") is None
    assert wrong_in("phasehub rum M").startswith("no verb")
    assert "--profil'" in wrong_in("phasehub run --profil quick M")


def test_every_verb_and_option_of_the_documentation_exists():
    lines = [
        (page.relative_to(ROOT).as_posix(), line)
        for page in documents()
        for line in lines_of_code(page.read_text(encoding="utf-8"))
    ]
    assert sum("phasehub" in line for _, line in lines) > 50
    assert [(page, found) for page, line in lines if (found := wrong_in(line))] == []


def test_every_verb_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [" ".join(verb) for verb in VERBS if f"`{verb[0]}" not in text
               and f"phasehub {' '.join(verb)}" not in text]  # fmt: skip
    assert missing == []


def test_every_session_of_the_documentation_exists():
    known = sessions()
    assert {"run", "tests", "quick"} <= known
    named = {
        (page.name, name)
        for page in documents()
        for name in re.findall(r"nox -s ([a-z_]+)", page.read_text(encoding="utf-8"))
    }
    assert {one for one in named if one[1] not in known} == set()


def test_every_session_s_own_help_names_it_and_what_exists():
    """What `nox -l` shows."""
    known = sessions()
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    helps = {node.name: ast.get_docstring(node) for node in ast.walk(tree)
             if isinstance(node, ast.FunctionDef) and node.name in known}  # fmt: skip
    assert set(helps) == known
    named = {name: re.findall(r"nox -s ([a-z_]+)", text) for name, text in helps.items()}
    assert {name: found for name, found in named.items() if set(found) - {name}} == {}
    assert any(named.values())
    assert [line for text in helps.values() for line in lines_of_code(text) if wrong_in(line)] == []


def test_a_shell_completes_the_verbs_that_there_are():
    start = "import sys; sys.argv = ['phasehub']; from phasehub.__main__ import main; main()"
    asked = {"_PHASEHUB_COMPLETE": "complete_bash", "COMP_WORDS": "phasehub ", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", start],
        cwd=ROOT, env=os.environ | asked, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert set(done.stdout.split()) == {verb[0] for verb in VERBS}


def test_there_is_one_table_of_exit_statuses():
    def classes(kind):
        return {kind, *(one for sub in kind.__subclasses__() for one in classes(sub))}

    given = {one.exit_code for one in classes(errors.RunnerError)} | {
        0, errors.ARM_FAILED, errors.TIMED_OUT, errors.INTERRUPTED, errors.READER_GONE,
    }  # fmt: skip
    assert given == set(errors.EXIT_CODES)
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE)
    assert {int(number): words for number, words in rows} == errors.EXIT_CODES


def helped(*words):
    done = subprocess.run(
        [sys.executable, "-m", "runner", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    return done.stdout


def test_help_ends_with_the_exit_statuses_and_fits_a_terminal():
    text = helped("-h")
    assert text == helped("--help")
    shown = [line.split(maxsplit=1) for line in text.splitlines()[-len(errors.EXIT_CODES) :]]
    assert {int(number): words for number, words in shown} == errors.EXIT_CODES
    assert max(map(len, text.splitlines())) <= MOST_COLUMNS


@pytest.mark.parametrize(
    "words",
    [(*verb, "/nowhere") for verb in VERBS if verb[0] in
     ("check", "plan", "run", "lock", "verify", "reproduce", "archive", "restore", "resume",
      "attach", "stop", "seal", "show", "docs")],
    ids=lambda words: words[0],
)  # fmt: skip
def test_what_is_not_there_has_one_exit_status(words, capsys):
    assert cli.guarded(lambda: app(words, standalone_mode=False)) == 66
    said = capsys.readouterr()
    assert said.out == ""
    assert "/nowhere" in said.err
