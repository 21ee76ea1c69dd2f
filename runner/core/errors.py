"""Expected errors. Each class owns an exit code and every message ends with a remedy."""

from __future__ import annotations


class RunnerError(Exception):
    """An error that a user can act on; shown without a traceback."""

    exit_code = 70


class ManifestError(RunnerError):
    """A manifest cannot be read or does not describe a phase."""

    exit_code = 2


class EngineError(RunnerError):
    """An engine, an image or a device that was asked for is not there."""

    exit_code = 3


class GpuError(EngineError):
    """A GPU is needed and cannot be had. ``problem`` ends with what would mend that.

    The message adds what does without one, where a command lets its user choose the device.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}, or run with --device cpu")
        self.problem = problem


class EngineLostError(EngineError):
    """An engine that has started jobs does not answer any more; they may go on without us."""


class OthersError(EngineError):
    """Something is another user's, whose files would be mixed with ours."""


class DiskError(EngineError):
    """A disk is full, read-only, broken or gone; what was on it before is there as it was."""


class VerificationError(RunnerError):
    """A hub, a dataset or a file is not what it says it is."""

    exit_code = 4


class NotThereError(RunnerError):
    """The manifest, hub, run or archive that is named on the command line is not there."""

    exit_code = 66


class NoManifestError(NotThereError, ManifestError):
    """There is no manifest under this path."""


class NoHubError(NotThereError, VerificationError):
    """There is nothing under the path of a hub."""


class NoRunError(NotThereError, EngineError):
    """There is no such run on its way."""


class NoArchiveError(NotThereError, EngineError):
    """There is no archive under this path."""


class StudyError(RunnerError):
    """A page of a study cannot be brought up to date: its markers, its name or its size."""

    exit_code = 6


class StoreError(RunnerError):
    """A place that archives are copied to or from cannot be reached, read or written."""

    exit_code = 7


class ConsentError(RunnerError):
    """Something of a stranger would be given more than the user has agreed to; nothing was run."""

    exit_code = 8


class ExportError(RunnerError):
    """An export cannot be written: there is no library for it, or the place is taken."""

    exit_code = 9


ARM_FAILED = 1
TIMED_OUT = 5
INTERRUPTED = 130
READER_GONE = 141
"""What a shell says of a program that a broken pipe has ended: 128 and the number of SIGPIPE."""

EXIT_CODES = {
    0: "done; for a run, no arm, test or required rule has failed",
    1: "an arm, a regression test or a required rule failed",
    2: "the command line or the manifest is wrong",
    3: "an engine, device, disk or lock cannot be had; resume the run later",
    4: "a hub, a dataset or an archive is not what it says it is",
    5: "whatever did not succeed ran out of time",
    6: "a page of a study cannot be brought up to date",
    7: "a store of archives cannot be reached, read or written",
    8: "a stranger's code would get more than was agreed to",
    9: "an export cannot be written: no library for it, or the place is taken",
    66: "the manifest, hub, run or archive that is named is not there",
    70: "a bug; the message says where its traceback is",
    130: "interrupted; the run can be resumed",
    141: "nobody reads the output any more",
}
"""What each exit status means: the table of `--help` and of docs/commands.md."""
