"""The command line: one function per verb, and one place where errors are caught.

What a verb needs is imported inside it, so that `--help` stays light.
"""

from __future__ import annotations

import os
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TextIO, cast

import typer
from typer.exceptions import TyperException

from runner.core import detached
from runner.core.errors import EXIT_CODES, INTERRUPTED, READER_GONE, RunnerError, VerificationError
from runner.core.interrupts import interrupts
from runner.core.text import ReaderGone, Screen
from runner.engines import EngineName

if TYPE_CHECKING:
    from collections.abc import Callable

EXITS = "\n".join(["\b", "Exit status:", *(f"  {n:3}  {what}" for n, what in EXIT_CODES.items())])
NAMES_OF_HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="phasehub",
    no_args_is_help=True,
    epilog=EXITS,
    context_settings=NAMES_OF_HELP,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class DeviceName(StrEnum):
    """Devices that can be asked for."""

    auto = "auto"
    cuda = "cuda"
    cpu = "cpu"


class ExportName(StrEnum):
    """What hubs can be exported to."""

    csv = "csv"
    mlflow = "mlflow"
    tensorboard = "tensorboard"


def _be_quiet(wanted: bool) -> None:
    """Let nothing be said while the verb runs; errors are, behind it."""
    if wanted:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end


Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", callback=_be_quiet, is_eager=True, help="Say nothing but errors."
    ),
]
ManifestPath = Annotated[Path, typer.Argument(metavar="MANIFEST", help="A phase's TOML file.")]
HubPath = Annotated[Path, typer.Argument(metavar="HUB", help="Folder of a sealed hub.")]
Profile = Annotated[
    str | None, typer.Option(metavar="NAME", help="Run this smaller variant of the phase.")
]
Only = Annotated[
    list[str] | None, typer.Option(metavar="ARM", help="Run this arm only; may be repeated.")
]
WithOptional = Annotated[bool, typer.Option("--with-optional", help="Run the optional arms, too.")]
Engine = Annotated[
    EngineName, typer.Option(help="auto: docker when a daemon answers, process otherwise.")
]
Interpreter = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Interpreter of the process engine, in place of the locked environment.",
    ),
]
Device = Annotated[DeviceName, typer.Option(help="Where to compute; cuda insists on a GPU.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Where hubs are kept.")]

Detach = Annotated[
    bool, typer.Option("--detach", help="Go on without this terminal; `attach` follows the run.")
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")]

AllowLimits = Annotated[
    bool, typer.Option("--allow-limits", help="Grant the hub limits beyond the defaults.")
]
AllowBaseImage = Annotated[
    bool,
    typer.Option("--allow-base-image", help="Fetch the base image from where the hub says."),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        from runner import __version__

        print(f"phasehub {__version__}")
        raise typer.Exit


@app.callback()
def phasehub(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Controlled experiments: a phase manifest in, one sealed and verifiable hub out."""


@app.command()
def check(manifest: ManifestPath, as_json: AsJson = False) -> None:
    """Check a manifest and name everything that is wrong with it."""
    from runner.manifest.model import load

    loaded = load(manifest)
    if as_json:
        from runner.commands.facts import of_manifest

        _print_json(of_manifest(manifest, loaded))
        return
    arms = loaded.variant().arms
    names = ", ".join(arm.name for arm in arms[:20])
    more = f" and {len(arms) - 20:,} more" if len(arms) > 20 else ""
    _print_fitting(lambda: f"{manifest}: phase {loaded.manifest.phase.name}, arms {names}{more}")
    for remark in loaded.remarks():
        _print_fitting(f"note: {remark}".strip)


@app.command()
def plan(
    manifest: ManifestPath,
    profile: Profile = None,
    only: Only = None,
    with_optional: WithOptional = False,
    device: Device = DeviceName.auto,
    as_json: AsJson = False,
) -> None:
    """Show what a manifest would run; run nothing."""
    from runner.hub.record import as_registered
    from runner.jobs.devices import choose_device
    from runner.manifest.model import load
    from runner.plan.model import asks_for_gpu, make_plan
    from runner.report.plan_text import render_plan

    loaded = load(manifest)
    chosen, _ = choose_device(device, wants_gpu=asks_for_gpu(loaded, profile))
    made = make_plan(
        loaded, profile=profile, only=only or [], with_optional=with_optional, device=chosen
    )
    registered = [as_registered(finding) for finding in loaded.registered]
    if as_json:
        from runner.commands.facts import of_plan

        _print_json(of_plan(made, registered))
        return
    _print_fitting(lambda: render_plan(made, registered))


@app.command()
def run(
    manifest: ManifestPath,
    engine: Engine = EngineName.auto,
    device: Device = DeviceName.auto,
    profile: Profile = None,
    only: Only = None,
    with_optional: WithOptional = False,
    out: Out = Path("artifacts"),
    python: Interpreter = None,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign the hub with this SSH key.")
    ] = None,
    locked: Annotated[
        bool, typer.Option("--locked", help="Refuse whatever is not as `lock` has written it down.")
    ] = False,
    reuse: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="HUB", help="Take arms from it, or from hubs in it, that are the same."
        ),
    ] = None,
    why: Annotated[
        list[str] | None, typer.Option(metavar="ARM", help="Explain why this arm is not reused.")
    ] = None,
    signers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Reuse only what one of these signed; ssh-keygen(1)."),
    ] = None,
    detach: Detach = False,
    _quiet: Quiet = False,
) -> None:
    """Run a phase and seal its hub. The last line on stdout is the hub's path.

    With --detach it is the run's folder, and the command ends once the run has begun.
    """
    if detach:
        _leave()
    from runner.phase.execute import run_phase
    from runner.phase.run import Request

    hub, exit_code = run_phase(
        Request(
            manifest=manifest,
            engine=engine.value,
            device=device.value,
            profile=profile,
            only=tuple(only or ()),
            with_optional=with_optional,
            artifacts=out,
            python=python,
            signing_key=sign,
            locked=locked,
            reuse=tuple(reuse or ()),
            why=tuple(why or ()),
            signers=signers,
        )
    )
    print(hub)
    raise typer.Exit(exit_code)


@app.command()
def lock(
    manifest: ManifestPath,
    profile: Profile = None,
    engine: Engine = EngineName.auto,
    device: Device = DeviceName.auto,
    python: Interpreter = None,
) -> None:
    """Write what a manifest resolves to beside it: base image, packages, source, plan, dataset.

    The last line on stdout is the lock file's path; `run --locked` refuses to differ from it.
    """
    from runner.commands import lock as locking

    print(
        locking.lock(
            locking.LockRequest(
                manifest=manifest,
                profile=profile,
                engine=engine.value,
                device=device.value,
                python=python,
            )
        )
    )


@app.command()
def verify(
    hub: HubPath,
    signers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Insist on a signature by one of these; ssh-keygen(1)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare every file of a hub with its checksum, and what the files say with each other."""
    from runner.commands.verify import verify as verify_hub

    found = verify_hub(hub, signers)
    if as_json:
        _print_json(found.table())
    else:
        print(*found.lines, sep="\n", end="\n" * bool(found.lines))
    if found.problem is not None:
        raise VerificationError(found.problem)


@app.command()
def reproduce(
    hub: HubPath,
    arm: Annotated[
        list[str] | None,
        typer.Option(metavar="ARM", help="Run this arm again, not all; may be repeated."),
    ] = None,
    engine: Annotated[
        EngineName, typer.Option(help="auto: the one that the hub was made by, if it is usable.")
    ] = EngineName.auto,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to, in place of reproductions/ beside the phases."),
    ] = None,
    python: Interpreter = None,
    signers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Insist on a signature by one of these; ssh-keygen(1)."),
    ] = None,
    foreign_code_here: Annotated[
        bool,
        typer.Option(
            "--run-foreign-code-on-this-machine",
            help="With --engine process: let a stranger's code run as you, outside a container.",
        ),
    ] = False,
    allow_limits: AllowLimits = False,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Let the arms that ask for it reach a network.")
    ] = False,
    allow_dockerfile: Annotated[
        bool,
        typer.Option("--allow-dockerfile", help="Build by a Dockerfile that is not phasehub's."),
    ] = False,
    allow_base_image: AllowBaseImage = False,
    _quiet: Quiet = False,
) -> None:
    """Run a sealed hub again and compare the bits. The last line on stdout is the new hub."""
    from runner.commands import reproduction
    from runner.verify.trust import Consent

    consent = Consent(
        foreign_code_here=foreign_code_here,
        limits=allow_limits,
        network=allow_network,
        dockerfile=allow_dockerfile,
        base_image=allow_base_image,
    )
    path, exit_code = reproduction.reproduce(
        reproduction.ReproduceRequest(
            hub=hub,
            arms=tuple(arm or ()),
            engine=engine.value,
            out=out,
            python=python,
            signers=signers,
            consent=consent,
        )
    )
    print(path)
    raise typer.Exit(exit_code)


@app.command()
def diagnose(
    hub: HubPath,
    arm: Annotated[str, typer.Argument(metavar="ARM", help="An arm of the hub.")],
    moment: Annotated[
        int | None,
        typer.Option("--epoch", metavar="N", help="Weights of the end of this epoch, from 0."),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="last, best, or another that is stored."),
    ] = None,
    engine: Engine = EngineName.auto,
    device: Device = DeviceName.auto,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New folder, in place of one beside the hub."),
    ] = None,
    python: Interpreter = None,
    allow_limits: AllowLimits = False,
    allow_base_image: AllowBaseImage = False,
) -> None:
    """Look into weights that an arm stored. The last line on stdout is the reports' folder."""
    from runner.commands import diagnose as diagnoses
    from runner.verify.trust import Consent

    if moment is not None and checkpoint is not None:
        raise typer.BadParameter("give --epoch or --checkpoint, not both")
    path, exit_code = diagnoses.diagnose(
        diagnoses.DiagnoseRequest(
            hub=hub,
            arm=arm,
            moment=moment,
            checkpoint=checkpoint,
            engine=engine.value,
            device=device.value,
            out=out,
            python=python,
            consent=Consent(limits=allow_limits, base_image=allow_base_image),
        )
    )
    print(path)
    raise typer.Exit(exit_code)


@app.command()
def compare(
    hubs: Annotated[list[Path], typer.Argument(metavar="HUB...", help="Folders of sealed hubs.")],
    engine: Engine = EngineName.auto,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New folder for the page, statistics and plots."),
    ] = None,
    python: Interpreter = None,
) -> None:
    """Put the arms of several hubs into one table, and say what else differs between them."""
    from runner.commands import compare as comparisons

    print(
        comparisons.compare(
            comparisons.CompareRequest(
                hubs=tuple(hubs), engine=engine.value, python=python, out=out
            )
        ),
        end="",
    )


@app.command()
def diff(
    before: HubPath,
    after: HubPath,
    as_json: AsJson = False,
) -> None:
    """Explain what differs between two hubs: plan, environment, artifacts, metrics.

    Exits with 0 when every deterministic file is the same, with 4 when not.
    """
    from runner.compare.diff import diff as diff_hubs
    from runner.compare.diff import render

    found = diff_hubs(before, after)
    if as_json:
        _print_json(found.model_dump(mode="json"))
    else:
        print(render(found))
    raise typer.Exit(0 if found.identical else VerificationError.exit_code)


@app.command()
def archive(
    hub: HubPath,
    with_image: Annotated[
        bool, typer.Option("--with-image", help="Put the container image in.")
    ] = False,
    with_dataset: Annotated[
        bool, typer.Option("--with-dataset", help="Put the simulated data in.")
    ] = False,
    bag: Annotated[
        bool, typer.Option("--bag", help="Make a BagIt folder of the hub in place of one file.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Put it there, in place of this folder: s3://, file://…"),
    ] = None,
) -> None:
    """Make one file out of a hub. The last line on stdout is its path."""
    from runner.archive import archive_hub, archive_to, write_bag
    from runner.core.digest import sha256_file
    from runner.core.installation import state_dir

    say = _say
    if bag:
        if with_image or with_dataset or to:
            raise typer.BadParameter("a bag is a folder of the hub alone; leave --with-…, --to out")
        name = f"{hub.resolve().parent.name}-{hub.resolve().name}.bag"
        print(write_bag(hub, output or Path(name)))
        return
    if to:
        sent = archive_to(
            hub,
            to,
            target=output,
            with_image=with_image,
            with_dataset=with_dataset,
            state=state_dir(),
            say=say,
        )
        index, digest, place = sent.index, sent.sha256, sent.url
        say("uploaded and read back" if sent.fresh else "it is there already; read back")
    else:
        path, index = archive_hub(
            hub,
            target=output,
            with_image=with_image,
            with_dataset=with_dataset,
            state=state_dir(),
            say=say,
        )
        digest, place = sha256_file(path), str(path)
    say(f"{len(index.members)} files, {index.total_bytes} bytes")
    say(f"sha256 {digest}")
    print(place)


@app.command()
def restore(
    archive: Annotated[
        str, typer.Argument(metavar="FILE", help="What `archive` has written: a path or a URL.")
    ],
    out: Out = Path("artifacts"),
    limit_gib: Annotated[
        float, typer.Option(metavar="GIB", min=0, help="Most that it may unpack to.")
    ] = 64.0,
) -> None:
    """Give back the hub of an archive, verified. The last line on stdout is its path."""
    from runner.archive import restore as restore_archive
    from runner.archive import restore_from
    from runner.archive.store import is_url
    from runner.core.installation import state_dir

    limit_bytes = round(limit_gib * 2**30)
    if is_url(archive):
        found = restore_from(archive, artifacts=out, state=state_dir(), limit_bytes=limit_bytes)
    else:
        found = restore_archive(
            Path(archive), artifacts=out, state=state_dir(), limit_bytes=limit_bytes
        )
    if found.image:
        print(f"image: {found.image}", file=sys.stderr)
    if found.dataset:
        print("dataset: kept for this hub", file=sys.stderr)
    print(found.hub)


@app.command()
def resume(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="Its folder; the only unfinished one if left out."),
    ] = None,
    out: Out = Path("artifacts"),
    detach: Detach = False,
    _quiet: Quiet = False,
) -> None:
    """Go on with a run that was cut short, and seal its hub. The last line is the hub's path."""
    if detach:
        _leave()
    from runner.commands import resume as resuming

    hub, exit_code = resuming.resume(run, out)
    print(hub)
    raise typer.Exit(exit_code)


@app.command()
def seal(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="Its folder; the only unfinished one if left out."),
    ] = None,
    out: Out = Path("artifacts"),
    _quiet: Quiet = False,
) -> None:
    """Seal the hub of a run that was cut short with what has ended. It cannot go on after that.

    Jobs that still run are stopped. The last line on stdout is the hub's path.
    """
    from runner.commands import seal as sealing

    print(sealing.seal(run, out))


@app.command()
def attach(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="Its folder; the only run under way if left out."),
    ] = None,
    out: Out = Path("artifacts"),
) -> None:
    """Show what a run without a terminal says, until it ends. Ctrl-C ends the showing alone.

    The exit status is the run's, and the last line on stdout the hub's path.
    """
    from runner.commands import attach as attaching

    hub, exit_code = attaching.attach(run, out, _say)
    if hub is not None:
        print(hub)
    raise typer.Exit(exit_code)


@app.command()
def stop(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="Its folder; the only run under way if left out."),
    ] = None,
    out: Out = Path("artifacts"),
) -> None:
    """Ask a run that is under way to stop, as Ctrl-C does: it can be resumed."""
    from runner.commands import attach as attaching

    hub = attaching.stop(run, out, _say)
    if hub is not None:
        print(hub)


@app.command()
def status(out: Out = Path("artifacts"), as_json: AsJson = False) -> None:
    """List the runs that have begun and are not sealed, and how far they are."""
    from runner.commands import status as statuses

    if as_json:
        _print_json([one.table() for one in statuses.status(out)])
        return
    for one in statuses.status(out):
        print(one.text())


@app.command()
def clean(
    out: Out = Path("artifacts"),
    yes: Annotated[bool, typer.Option("--yes", help="Remove it, rather than list it.")] = False,
) -> None:
    """List what dead runs have left: folders, containers, processes. With --yes, remove it.

    Nothing is touched that another user, another machine or a run that is alive has made.
    """
    from runner.commands import clean as cleaning

    for line in cleaning.clean(out, remove=yes, say=lambda told: print(told, file=sys.stderr)):
        print(line)


@app.command(name="list")
def list_hubs(out: Out = Path("artifacts"), as_json: AsJson = False) -> None:
    """List the sealed hubs."""
    from runner.hub.layout import find_hubs
    from runner.report.hub_text import render_list

    hubs = find_hubs(out)
    if as_json:
        from runner.commands.facts import of_hubs

        _print_json(of_hubs(hubs))
        return
    _print_fitting(lambda: render_list(hubs))


@app.command()
def show(hub: HubPath, as_json: AsJson = False) -> None:
    """Show what a hub holds: arms, verdict, environment."""
    from runner.report.hub_text import render_show
    from runner.verify.sealed_hub import SealedHub

    sealed = SealedHub(folder=hub)
    try:
        statistics = sealed.statistics
    except VerificationError as error:
        statistics = None
        print(error, file=sys.stderr)
    if as_json:
        from runner.commands.facts import of_hub

        _print_json(of_hub(sealed.record, statistics))
        return
    _print_fitting(lambda: render_show(sealed.record, statistics))


@app.command()
def export(
    hub: HubPath,
    to: Annotated[ExportName, typer.Option(help="csv, or a tool whose library is installed.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="New folder; for mlflow, a store."),
    ] = None,
) -> None:
    """Write a hub's knobs, scores and curves for another tool. The last line is the path."""
    from runner.commands import export as exporting

    print(exporting.export(exporting.ExportRequest(hub=hub, to=to.value, output=output)))


docs = typer.Typer(help="The pages of a study.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(docs, name="docs")


@docs.command(name="sync")
def docs_sync(
    hubs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[HUB]...",
            help="Sealed hubs; by default the newest of each phase and profile.",
            show_default=False,
        ),
    ] = None,
    artifacts: Annotated[Path, typer.Option(metavar="DIR", help="Where hubs are kept.")] = Path(
        "artifacts"
    ),
    docs: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the pages.")] = Path("docs"),
) -> None:
    """Bring docs/study up to date from sealed hubs: pages, findings, history."""
    from runner.study import sync

    changed = sync(hubs or [], artifacts=artifacts, docs=docs)
    for path in changed:
        print(path)
    print(f"{docs / 'study'}: {len(changed) or 'no'} files changed", file=sys.stderr)


@app.command(name="base-image")
def base_image() -> None:
    """Make the base image phasehub-base:bookworm from Debian packages, without a registry."""
    from runner.engines.images.build import make_base_image

    print(make_base_image(lambda line: print(line, file=sys.stderr)))


def _leave() -> None:
    """Go on in a process without a terminal; this one says how to follow it, and ends."""
    from runner.commands.attach import leave

    if (exit_code := leave()) is not None:
        raise typer.Exit(exit_code)
    sys.stderr = cast("TextIO", Screen(cast("TextIO", sys.__stderr__)))  # --quiet is for terminals


def _print_fitting(render: Callable[[], str]) -> None:
    """Print a text, folded where it is wider than the terminal."""
    from runner.report.folding import fitting, terminal_width

    print(fitting(terminal_width(), render))


def _print_json(facts: object) -> None:
    from runner.core.digest import pretty_json

    print(pretty_json(facts).decode(), end="")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> NoReturn:
    """Entry point: expected errors get one message, a bug gets a log, an interrupt gets 130.

    Where nobody reads the output any more, what is under way is stopped, and the status is 141.

    What is printed may hold the words of a stranger's hub or manifest; nothing of it reaches the
    terminal but signs that can be seen.
    """
    sys.stdout, sys.stderr = (cast("TextIO", Screen(one)) for one in (sys.stdout, sys.stderr))
    with interrupts(then_ignore=True):
        code = _read(lambda: _guarded(lambda: app(standalone_mode=False)))
        detached.end(code)
    sys.exit(code)


def _read(command: Callable[[], int]) -> int:
    """The status of a command whose output is read to its end, or another."""
    try:
        code = command()
        sys.stderr.flush()
    except ReaderGone:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):  # for what they still hold, and try to write
            os.dup2(nowhere, stream.fileno())
        return READER_GONE
    return code


def _guarded(command: Callable[[], object]) -> int:
    try:
        code = _with_errors_kept(command)
        sys.stdout.flush()
    except TyperException as error:
        print(f"{error.format_message()}\nphasehub --help lists the commands.", file=sys.stderr)
        return error.exit_code
    except RunnerError as error:
        print(f"phasehub: {error}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("phasehub: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if (gone := _said_of_disk(error) or _said_of_daemon(error)) is None:
            return _report_bug()
        print(f"phasehub: {gone}", file=sys.stderr)
        return gone.exit_code
    return code if isinstance(code, int) else 0


def _with_errors_kept(command: Callable[[], object]) -> object:
    """Run a command, after which stderr is what it was before, though the verb were quiet."""
    before = sys.stderr
    try:
        return command()
    finally:
        if not detached.is_detached():
            sys.stderr = before


def _said_of_disk(error: Exception) -> RunnerError | None:
    """What to say of a disk that is full, read-only or broken, where nobody else has said it."""
    from runner.core.disk import explain

    return explain(error)


def _said_of_daemon(error: Exception) -> RunnerError | None:
    """What to say of a Docker daemon that went away, where nobody else has said it."""
    daemon = sys.modules.get("runner.engines.daemon")  # else nothing was asked of one
    if daemon is None or not isinstance(error, daemon.LOST):
        return None
    return cast("RunnerError", daemon.engine_error(error))


def _report_bug() -> int:
    import tempfile

    with tempfile.NamedTemporaryFile(
        "w", prefix="phasehub-bug-", suffix=".log", delete=False
    ) as log:
        traceback.print_exc(file=log)
    error = sys.exc_info()[1]
    print(
        f"phasehub: a bug: {type(error).__name__}: {error}\n"
        f"The traceback is in {log.name}; please report it with the command that you ran.",
        file=sys.stderr,
    )
    return RunnerError.exit_code
