"""MkDocs takes pages from their places in the repository: their relative links hold on the site."""

import re
import subprocess
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
OUTSIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "manifests")
"""What is shown beside docs/."""
TOOLS = "docs/site/"
HUBS = PurePosixPath("docs/study/hubs")
FOLDER = re.compile(r"(\]\((?!https?:|#))([^()\s#]+)(#[^()\s]*)?(?=\))")
COMMENT = re.compile(r"\A<!--.*?-->\n")
SECTIONS = (("docs/adr/", "Decisions"), ("docs/study/", "The study"), ("", "Reference"))


class Sealed(File):
    """A file of a hub: given as it is, Markdown too, which names files that were not kept."""

    def is_documentation_page(self) -> bool:
        """No page of the site is made of it."""
        return False


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take what git knows, or does not ignore, at its place in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "docs", *OUTSIDE],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    names = [name for name in listed if not name.startswith(TOOLS) and (ROOT / name).is_file()]
    taken = Files([file for file in files if file.src_dir != config.docs_dir])
    for name in names:
        kind = Sealed if _hub_of(name) else File
        taken.append(kind(name, str(ROOT), config.site_dir, config.use_directory_urls))
    for hub in sorted({hub for name in names if (hub := _hub_of(name))}):
        kept = [PurePosixPath(name).relative_to(hub) for name in names if _hub_of(name) == hub]
        taken.append(File.generated(config, f"{hub}/index.md", content=_listing(hub, kept)))
    _complete(config.nav, [file.src_uri for file in taken.documentation_pages()])
    return taken


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead links to folders to the page that stands for each, and begin with the title."""
    here = (ROOT / page.file.src_uri).parent

    def led(link: re.Match[str]) -> str:
        target = link[2].rstrip("/")
        if not (here / target).is_dir():
            return link[0]
        name = "README.md" if (here / target / "README.md").is_file() else "index.md"
        return f"{link[1]}{target}/{name}{link[3] or ''}"

    return FOLDER.sub(led, COMMENT.sub("", markdown))


def _hub_of(name: str) -> PurePosixPath | None:
    """The folder of the hub that a file is kept of, or none."""
    path = PurePosixPath(name)
    inside = path.is_relative_to(HUBS) and len(path.parts) > len(HUBS.parts) + 2
    return PurePosixPath(*path.parts[: len(HUBS.parts) + 2]) if inside else None


def _listing(hub: PurePosixPath, kept: list[PurePosixPath]) -> str:
    """A page with the files that are kept of a hub."""
    lines = [f"- [{name}]({name})" for name in sorted(kept)]
    title = f"{hub.parent.name}, {hub.name}"
    return "\n".join(["---", "search:", "  exclude: true", "---", f"# {title}", "", *lines, ""])


def _counted(page: str) -> list[str]:
    """By name; phase10 comes after phase9."""
    return [part.zfill(4) if part.isdigit() else part for part in re.split(r"(\d+)", page)]


def _complete(nav: list, pages: list[str]) -> None:
    """Append the pages that the navigation does not name to the section that is theirs."""
    text = str(nav)
    sections = {name: items for section in nav for name, items in section.items()}
    for page in sorted(pages, key=_counted):
        if f"'{page}'" not in text and not page.startswith(f"{HUBS}/"):
            section = next(name for start, name in SECTIONS if page.startswith(start))
            sections[section].append(page)
