"""The table of plants for docs/audit.md, from what runs have written with ``--results``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tests.audit.plants import data, evaluation, networks, physics, training

GROUPS = {
    "Data": data.PLANTS,
    "Forward model and losses": physics.PLANTS,
    "Networks and their start": networks.PLANTS,
    "Training": training.PLANTS,
    "Evaluation": evaluation.PLANTS,
}


def main() -> None:
    """Print one table for each group; plants that were not run are left out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", type=Path, help="files that --results wrote")
    found = {
        row["name"]: row
        for path in parser.parse_args().results
        for row in map(json.loads, path.read_text().splitlines())
    }
    for title, plants in GROUPS.items():
        print(f"\n**{title}**\n\n| planted | by labels | by the audit |\n|---|---|---|")
        for plant in plants:
            if plant.name in found:
                print(line(plant.what, found[plant.name]))


def line(what: str, row: dict[str, Any]) -> str:
    """One row: which knob differed; the first check that did, and the largest excess of all."""
    labels = f"`{row['labels'][0]}`" if row["labels"] else row["crashed"] or "–"
    differing = [check for check in row.get("checks", []) if check["verdict"] == "differs"]
    if not differing:
        return f"| {what} | {labels} | **not caught**: {row['blind']} |"
    excess = [
        difference["difference"] / difference["tolerance"]
        for check in differing
        for difference in check["differences"]
        if all(isinstance(difference[key], float) for key in ("difference", "tolerance"))
        and difference["tolerance"] not in (0.0, 0.5)
    ]
    times = f", up to {rounded(max(excess))}×" if excess else ""
    return f"| {what} | {labels} | {differing[0]['name']}{times} |"


def rounded(value: float) -> str:
    """A number with two digits that count."""
    return f"{float(f'{value:.2g}'):,.{0 if value >= 10 else 1}f}"


if __name__ == "__main__":
    main()
