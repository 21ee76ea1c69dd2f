"""What a study keeps of a hub follows from its record: small files, the most telling first."""

import pytest

from runner.hub.records.base import FileRecord
from runner.study.selection import ALLOWANCE_BYTES, LARGEST_BYTES, first_of_groups, kept_files


def listing(record, **files):
    """The record with these files, sizes by path."""
    return record.model_copy(
        update={
            "artifacts": tuple(
                FileRecord(path=path, sha256="0" * 64, bytes=size, deterministic=False)
                for path, size in files.items()
            )
        }
    )


def kept(record, files):
    return set(kept_files(listing(record, **files)))


def test_small_files_of_the_kinds_that_people_read_are_kept(record):
    wanted = {
        "README.md", "summary.md", "manifest.toml", "environment.json", "statistics.json",
        "plan.json", "stage_a_metrics_phase8.json", "losses.png",
        "arms/stable_sgd/history.json", "arms/stable_sgd/grad_norms.csv",
        "arms/stable_sgd/recon.png",
    }  # fmt: skip
    unwanted = {
        "report.html", "journal.jsonl", "uncommitted.diff", "stage_a_arm_stable_sgd.log",
        "arms/stable_sgd/model.pt", "arms/stable_sgd/recon.npz", "arms/stable_sgd/events.jsonl",
        "ro-crate-metadata.json", "provenance.json",
        "code/models/x.json", "compared/phase7/x/arms/a/stats.json",
    }  # fmt: skip
    assert kept(record, dict.fromkeys(wanted | unwanted, 100)) == wanted


def test_large_files_are_not_kept_but_for_those_that_tell_what_the_hub_is(record):
    sizes = {"summary.md": 10**6, "statistics.json": 10**6, "plan.json": LARGEST_BYTES + 1}
    assert kept(record, sizes) == {"summary.md", "statistics.json"}
    assert kept(record, {"plan.json": LARGEST_BYTES}) == {"plan.json"}


def test_what_there_is_room_for_is_chosen_by_what_tells_most(record):
    room = ALLOWANCE_BYTES["phase"]
    sizes = {"losses.png": room // 2, "arms/stable_sgd/recon.png": room // 2, "plan.json": 1}
    assert kept(record, sizes) == {"losses.png", "arms/stable_sgd/recon.png"}
    assert kept(record, sizes | {"losses.png": room // 2 - 1}) == set(sizes)


@pytest.mark.parametrize("profile", [None, "quick"])
def test_a_hub_keeps_to_its_allowance(record, profile):
    files = {f"arms/stable_sgd/{name}.csv": 10_000 for name in range(100)}
    changed = record.model_copy(update={"profile": profile})
    allowance = ALLOWANCE_BYTES["profile" if profile else "phase"]
    assert len(kept(changed, files)) == allowance // 10_000


def test_pictures_are_kept_of_one_arm_of_each_group_and_fate(record):
    first = record.arms[0]
    seeds = tuple(
        first.model_copy(update={"name": name, "seed": seed, "collapsed": collapsed})
        for seed, (name, collapsed) in enumerate(
            [("a", False), ("b", False), ("c", True), ("d", True)]
        )
    )
    many = record.model_copy(update={"arms": seeds})
    assert list(first_of_groups(seeds)) == ["a", "c"]
    files = {f"arms/{name}/{file}": 10 for name in "abcd" for file in ("recon.png", "stats.json")}
    pictures = {path for path in kept(many, files) if path.endswith(".png")}
    assert pictures == {"arms/a/recon.png", "arms/c/recon.png"}
    assert len(kept(many, files)) == 6
