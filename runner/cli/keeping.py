"""Verbs that keep what there is: archives, the pages of a study, the base image."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.options import HubPath, Out, all_named
from runner.cli.output import say
from runner.cli.root import app


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
    """Pack a hub into one file. The last line on stdout is its path."""
    from runner.archive import archive_hub, archive_to, write_bag
    from runner.core.digest import sha256_file
    from runner.core.installation import state_dir

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
    """Unpack and verify the hub of an archive. The last line on stdout is its path."""
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


docs = typer.Typer(help="The pages of a study.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(docs, name="docs")


@docs.command(name="sync")
def docs_sync(
    hubs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[HUB]...",
            callback=all_named,
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
    """Build the base image from Debian packages.

    It is called phasehub-base:bookworm, and no registry is needed.
    """
    from runner.engines.images.build import make_base_image

    print(make_base_image(lambda line: print(line, file=sys.stderr)))
