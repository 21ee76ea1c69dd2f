"""What the audit catches: planted bugs and sound arms, in tables: `nox -s audit`.

Every plant is an edit of a copy of the sources, and every arm a real one: simulated, trained and
audited by the jobs of the contract. Pictures and the list of packages are left out; they take half
of a tiny arm's time, and no plant touches them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.audit.arms import carry_out, drawn
from tests.audit.forks import apart, load_libraries
from tests.audit.plants import data, evaluation, networks, physics, training
from tests.audit.plants.plant import ROOT, Plant

PLANTS: tuple[Plant, ...] = (
    *data.PLANTS, *physics.PLANTS, *networks.PLANTS, *training.PLANTS, *evaluation.PLANTS,
)  # fmt: skip


def main() -> int:
    """Run what is asked for; 1 if a plant escaped that should not, or a sound arm was accused."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--controls", type=int, default=0, help="sound arms at random")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    parser.add_argument("--plants", nargs="*", help="names; all by default")
    parser.add_argument("--results", type=Path, help="JSON lines, one for each arm")
    parser.add_argument("--keep", type=Path, help="folder for the arms; a temporary one by default")
    options = parser.parse_args()
    load_libraries()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="audit-"))
    wanted = [p for p in PLANTS if options.plants is None or p.name in options.plants]
    rows = [run_plant(plant, folder / f"plant{number}", options.results)
            for number, plant in enumerate(wanted)]  # fmt: skip
    controls = [
        run_control(number, folder / f"control{number}", options.results)
        for number in range(options.first, options.first + options.controls)
    ]
    if options.keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    summarise(rows, controls)
    missed = [plant.name for plant, row in zip(wanted, rows, strict=True)
              if not by_audit(row) and plant.blind is None]  # fmt: skip
    return bool(missed or accused(controls))


def run_plant(plant: Plant, folder: Path, results: Path | None) -> dict[str, Any]:
    """One arm with a bug in it."""
    source = plant.sow(folder / "source")
    said = apart(source, folder, lambda: carry_out(folder / "arm", plant.changes))
    shutil.rmtree(source)
    row = {"name": plant.name, "what": plant.what, "blind": plant.blind} | said
    verdict = " ".join(
        word for word, caught in (("audit", by_audit(row)), ("labels", by_labels(row))) if caught
    )
    first = row["audit"][0] if row["audit"] else ""
    say(f"{verdict or 'NEITHER':14} {plant.name}: {first}", row, results)
    return row


def run_control(number: int, folder: Path, results: Path | None) -> dict[str, Any]:
    """One sound arm at random."""

    def work() -> dict[str, Any]:
        changes, seed = drawn(number)
        return carry_out(folder / "arm", changes, seed) | {"changes": changes, "seed": seed}

    row = {"name": f"control {number}"} | apart(ROOT, folder, work)
    if row["level"] == "audited":
        shutil.rmtree(folder)
    told = [*row["audit"], *row["labels"]][:2]
    say(f"{row['level'] or row['crashed']!s:14} control {number} {told}", row, results)
    return row


def say(line: str, row: dict[str, Any], results: Path | None) -> None:
    """Tell at once, and keep."""
    print(line, flush=True)
    if results is not None:
        with results.open("a") as file:
            file.write(json.dumps(row) + "\n")


def by_audit(row: dict[str, Any]) -> bool:
    """Whether the audit failed the arm."""
    return bool(row["audit"])


def by_labels(row: dict[str, Any]) -> bool:
    """Whether the arm failed by its labels, or did not come to an end."""
    return bool(row["labels"]) or row["crashed"] in ("simulate", "train")


def accused(controls: list[dict[str, Any]]) -> list[str]:
    """Sound arms that the audit or a label takes for others."""
    fine = ("audited", "in part")  # in part: the fit left the numbers that float32 has
    return [row["name"] for row in controls if row["level"] not in fine or row["labels"]]


def summarise(rows: list[dict[str, Any]], controls: list[dict[str, Any]]) -> None:
    """How many were caught by which."""
    audit, label = sum(map(by_audit, rows)), sum(map(by_labels, rows))
    neither = [row["name"] for row in rows if not by_audit(row) and not by_labels(row)]
    print(f"\n{len(rows)} plants: {audit} caught by the audit, {label} by labels, "
          f"{len(neither)} by neither: {', '.join(neither) or 'none'}")  # fmt: skip
    wrongly, in_part = accused(controls), sum(row["level"] == "in part" for row in controls)
    print(f"{len(controls)} sound arms, {in_part} of them comparable in part: "
          f"{len(wrongly)} false alarms: {', '.join(wrongly) or 'none'}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
