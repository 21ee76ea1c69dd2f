"""Other programs, asked for what they say. Standard library only: nodes of a cluster ask, too."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

NO_ANSWER = "no answer within"
"""How what is said of a program begins that did not end in time."""


def answer_of(
    command: Sequence[str], *, environment: Mapping[str, str], within_s: float, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """What a command says. One that cannot be run, or not in time, has failed and says why."""
    try:
        return subprocess.run(
            command,
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=within_s,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"{NO_ANSWER} {within_s:g} s")
    except OSError as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
