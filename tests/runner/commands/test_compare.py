"""Any hubs side by side: what is compared, what is said about it, what is kept."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner.commands.compare import CompareRequest, compare
from runner.core.digest import sha256_file
from runner.core.errors import EngineError, VerificationError
from runner.hub import layout
from runner.hub.records.base import FileRecord


@pytest.fixture
def sealed(record, tmp_path):
    """Seals a hub whose succeeded arms left their small files; arms have seeds from ``seed``."""

    def seal(phase, seed=1, **changed):
        path = tmp_path / phase / ".staging-2026-01-01T000000Z"
        arms = []
        for arm in record.arms:
            inner = path / "arms" / arm.name
            inner.mkdir(parents=True)
            (inner / "stats.json").write_text(json.dumps(arm.stats))
            file = FileRecord(
                path="stats.json",
                sha256=sha256_file(inner / "stats.json"),
                bytes=1,
                deterministic=True,
            )
            update = {"files": (file,), "seed": seed, "final_weights_sha256": None}
            arms.append(arm.model_copy(update=update))
        update = {"phase": phase, "arms": tuple(arms), "identical_arms": (), **changed}
        layout.write_record(path, record.model_copy(update=update))
        return layout.Staging(path=path, final=path.with_name("2026-01-01T000000Z")).seal()

    return seal


def run(*hubs, **options):
    options = {"engine": "process", "python": Path(sys.executable)} | options
    page, table = compare(CompareRequest(hubs=hubs, **options))
    assert [one["phase"] for one in table["hubs"]] == [hub.parent.name for hub in hubs]
    return page


def test_the_page_and_what_it_says_are_kept_in_a_sealed_folder(sealed, tmp_path):
    out = tmp_path / "kept"
    page = run(sealed("phase7", seed=1), sealed("phase8", seed=2), out=out)
    assert page == (out / "comparison.md").read_text()
    assert "| phase7 · stable_sgd | 0 of 1 | 0.00 (0.00 to 0.79) |" in page
    assert "| phase8 · stable_adamw | succeeded, read back | epoch 7: flat |" in page
    assert "![losses" in page
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=out, check=True)
    table = json.loads((out / "comparison.json").read_text())
    assert [one["phase"] for one in table["hubs"]] == ["phase7", "phase8"]
    assert table["hubs"][0]["checksums_sha256"] == sha256_file(
        tmp_path / "phase7/2026-01-01T000000Z/SHA256SUMS"
    )
    assert (table["engine"]["name"], table["summary"]["status"]) == ("process", "succeeded")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"phase7", "phase8", "kept"}


def test_a_changed_hub_is_compared_and_loudly_distrusted(sealed):
    first, second = sealed("phase7", seed=1), sealed("phase8", seed=2)
    stats = second / "arms/stable_sgd/stats.json"
    stats.chmod(0o644)
    stats.write_text(stats.read_text() + " ")
    page = run(first, second)
    assert "**phase8/2026-01-01T000000Z IS NOT AS IT WAS SEALED.**" in page
    assert "trust none of its rows" in page
    assert "changed: arms/stable_sgd/stats.json" in page
    assert "## Over seeds" in page
    assert "![" not in page, "plots that are not kept are not shown"


def test_without_an_engine_the_arms_are_compared_without_statistics(sealed, monkeypatch):
    def refuse(*_arguments):
        raise EngineError("no daemon answers, and there is no Python of the lock's version")

    monkeypatch.setattr("runner.commands.compare.open_engine", refuse)
    first, second = sealed("phase7", seed=1), sealed("phase8", seed=2)
    page = run(first, second, engine="auto")
    assert "Note: no statistics over arms: no daemon answers" in page
    assert "## Over seeds" not in page
    assert "| phase7 · stable_sgd | succeeded, read back |" in page
    with pytest.raises(EngineError, match="no daemon answers"):
        run(first, second, engine="docker")


def test_a_comparison_needs_two_different_hubs(sealed):
    one = sealed("phase7")
    with pytest.raises(VerificationError, match=r"^a comparison needs two different hubs or more"):
        run(one, one)


def test_a_folder_that_is_no_hub_is_refused(sealed, tmp_path):
    with pytest.raises(VerificationError, match="is not a hub"):
        run(sealed("phase7"), tmp_path)


def test_a_folder_that_exists_is_not_written_to(sealed, tmp_path):
    with pytest.raises(EngineError, match=r"exists already; name a folder that does not$"):
        run(sealed("phase7"), sealed("phase8"), out=tmp_path)
