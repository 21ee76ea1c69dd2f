"""Dockerfiles of others: few instructions, no image and no address but the ones that are given."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.errors import EngineError
from runner.engines.images.dockerfile import MOST_BYTES, parse_recipe, read_recipe
from runner.engines.images.known_dockerfiles import KNOWN

ROOT = Path(__file__).parents[4]
HEAD = "ARG BASE_IMAGE=python:3.11\nARG ENVIRONMENT=environment\n"
FIRST = "FROM ${BASE_IMAGE} AS environment\n"
GOOD = f"""# with a comment …
{HEAD}
{FIRST}ARG LOCK
COPY ${{LOCK}} /lock.txt
RUN pip install \\
    thing && true
FROM ${{ENVIRONMENT}} AS models
COPY --chown=1:1 --from=environment /opt /opt
ENV A=b
LABEL x="y"
WORKDIR /opt
USER 10001:10001
CMD ["python"]
ENTRYPOINT ["python"]
FROM models AS cpu
"""


def test_stages_of_the_file_itself_and_on_the_given_base_are_taken():
    recipe = parse_recipe(GOOD)
    assert [stage.name for stage in recipe.stages] == ["environment", "models", "cpu"]
    assert recipe.arguments == {"BASE_IMAGE": "python:3.11", "ENVIRONMENT": "environment"}
    assert recipe.needed("cpu", {}).count("FROM ") == 3
    alone = recipe.needed("models", {"ENVIRONMENT": "phasehub-environment:cpu-1"})
    assert alone.count("FROM ") == 2, "a stage that is copied from is needed, too"
    assert recipe.needed("gpu", {}) is None


REFUSED = {
    "ADD http://127.0.0.1/x /x": "line 4: ADD is not taken",
    "ADD file /x": "line 4: ADD is not taken",
    "ONBUILD RUN true": "line 4: ONBUILD is not taken",
    "VOLUME /x": "line 4: VOLUME is not taken",
    "SHELL ['x']": "line 4: SHELL is not taken",
    "HEALTHCHECK CMD true": "line 4: HEALTHCHECK is not taken",
    "RUN --mount=type=bind,from=alpine true": "line 4: RUN takes no options",
    "RUN --network=host true": "line 4: RUN takes no options",
    "RUN --security=insecure true": "line 4: RUN takes no options",
    "RUN \\\n --network=host true": "line 4: RUN takes no options",
    "RUN cat <<EOF": "line 4: here-documents are not taken",
    "COPY <<x /y": "line 4: here-documents are not taken",
    "COPY --from=alpine /x /x": "line 4: COPY takes --chown",
    "COPY --chown=1:1 --from=alpine /x /x": "line 4: COPY takes --chown",
    "COPY --from=0 /x /x": "line 4: COPY takes --chown",
    "COPY --from=${BASE_IMAGE} /x /x": "line 4: COPY takes --chown",
    "COPY --from=environment /x /x": "line 4: COPY takes --chown",
    "COPY --link x /x": "line 4: COPY takes --chown",
    "COPY \\\n --from=alpine /x /x": "line 4: COPY takes --chown",
    "copy --from=alpine /x /x": "line 4 is no instruction",
    "add http://127.0.0.1/x /x": "line 4 is no instruction",
    " ADD http://127.0.0.1/x /x": "line 4 is no instruction",
    "# escape=`": "line 4: directives to the builder",
    "FROM alpine AS other": "line 4: 'alpine AS other' begins neither on",
    "FROM alpine": "line 4: expected `FROM",
    "FROM --platform=linux/arm64 ${BASE_IMAGE} AS x": "line 4: expected `FROM",
    "FROM ${OTHER} AS x": "line 4: '${OTHER} AS x' begins neither on",
    "FROM scratch AS x": "line 4: 'scratch AS x' begins neither on",
    "FROM ${BASE_IMAGE} AS environment": "line 4: expected `FROM",
    "RUN true \\\n# why\n && false": "line 5: an instruction that goes on",
    "RUN true \\": "line 4: an instruction that goes on|line 5: an instruction that goes on",
    "RUN echo \x0c ADD": "line 4 holds what is no printable ASCII",
    "RUN echo \u2028": "line 4 holds what is no printable ASCII",
    "# a comment \u202e": "line 4 holds what is no printable ASCII",
}


@pytest.mark.parametrize("line", REFUSED)
def test_everything_else_is_refused_by_its_line(line):
    with pytest.raises(ValueError, match=REFUSED[line].replace("$", r"\$").replace("[", r"\[")):
        parse_recipe(f"{HEAD}{FIRST}{line}\n")


@pytest.mark.parametrize(
    "text",
    [
        "# syntax=docker/dockerfile:1\n" + HEAD + FIRST,
        "#SYNTAX = registry.invalid/x\n" + HEAD + FIRST,
        "ARG BASE_IMAGE=x\nARG ENVIRONMENT=registry.invalid/x\nFROM ${ENVIRONMENT} AS a\n",
        "FROM ${BASE_IMAGE} AS a\n",
        "ENV A=b\n" + HEAD + FIRST,
        "ARG BASE_IMAGE\n" + FIRST,
    ],
)
def test_no_other_image_comes_in_by_an_argument_or_a_directive(text):
    with pytest.raises(ValueError, match=r"line \d"):
        parse_recipe(text)


@given(st.text(max_size=300) | st.text("ABCDEFGFROMADDCOPYRUN -=${}\\\n#<", max_size=300))
def test_any_text_is_parsed_or_refused_and_names_no_image(text):
    try:
        recipe = parse_recipe(HEAD + FIRST + text)
    except ValueError:
        return
    assert all(stage.base in ("${BASE_IMAGE}", "${ENVIRONMENT}") or stage.base in
               {one.name for one in recipe.stages} for stage in recipe.stages)  # fmt: skip


def test_a_large_file_and_a_link_are_refused(tmp_path):
    (tmp_path / "Dockerfile").write_text("#" * (MOST_BYTES + 1))
    with pytest.raises(EngineError, match="larger than"):
        read_recipe(tmp_path / "Dockerfile")
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(EngineError, match="symbolic link"):
        read_recipe(tmp_path / "link")


def test_every_dockerfile_that_phasehub_has_had_is_known_and_would_be_built():
    assert hashlib.sha256((ROOT / "Dockerfile").read_bytes()).hexdigest() in KNOWN
    listed = subprocess.run(
        ["git", "log", "--format=%H", "--", "Dockerfile"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    for commit in listed:  # none where there is no history
        shown = subprocess.run(
            ["git", "show", f"{commit}:Dockerfile"], cwd=ROOT, capture_output=True, check=False
        )
        if shown.returncode == 0:
            digest = hashlib.sha256(shown.stdout).hexdigest()
            assert digest in KNOWN, f"add {digest} to runner/engines/images/known_dockerfiles.py"
            parse_recipe(shown.stdout.decode())
