"""Hubs to compare with: the newest intact one, of the same profile if there is one."""

import pytest

from runner.core.digest import sha256_file
from runner.core.errors import VerificationError
from runner.hub import layout
from runner.verify.baselines import find_compared, open_hub


@pytest.fixture
def sealed(record, tmp_path):
    """Seals a hub of phase7 with a profile at a day of January."""

    def seal(day, profile=None, phase="phase7"):
        path = tmp_path / phase / f".staging-2026-01-{day:02}T000000Z"
        path.mkdir(parents=True)
        changed = record.model_copy(update={"phase": phase, "profile": profile})
        layout.write_record(path, changed)
        return layout.Staging(path=path, final=path.with_name(f"2026-01-{day:02}T000000Z")).seal()

    return seal


def find(tmp_path, profile=None, phases=("phase7",)):
    notes = []
    return find_compared(tmp_path, phases, (profile, {}), notes.append), notes


def test_the_newest_hub_is_taken_and_named_with_its_digest(sealed, tmp_path):
    sealed(1)
    newest = sealed(2)
    (found,), notes = find(tmp_path)
    assert found.folder == newest
    assert found.facts.name == "phase7/2026-01-02T000000Z"
    assert found.facts.checksums_sha256 == sha256_file(newest / "SHA256SUMS")
    assert found.facts.problem == ""
    assert notes == [
        "compared with phase7/2026-01-02T000000Z, the phase as written, digest of its SHA256SUMS "
        f"{found.facts.checksums_sha256[:12]}"
    ]


def test_an_older_hub_of_the_same_profile_goes_before_a_newer_one_of_another(sealed, tmp_path):
    same = sealed(1, "quick")
    sealed(2)
    (found,), notes = find(tmp_path, "quick")
    assert found.folder == same
    assert len(notes) == 1


def test_a_hub_of_another_profile_is_taken_if_there_is_no_other_and_that_is_said(sealed, tmp_path):
    sealed(1)
    (found,), notes = find(tmp_path, "quick")
    assert found.facts.profile is None
    assert notes[1] == (
        "phase7 has no intact hub of profile quick: the comparison with 2026-01-01T000000Z is "
        "between different sizes of experiment"
    )


def test_a_hub_that_was_changed_is_passed_over(sealed, tmp_path):
    intact, broken = sealed(1), sealed(2)
    (broken / "hub.json").chmod(0o644)
    (broken / "hub.json").write_text((broken / "hub.json").read_text() + " ")
    (found,), notes = find(tmp_path)
    assert found.folder == intact
    assert notes[0] == "not compared with phase7: 2026-01-02T000000Z is not as it was sealed"


def test_a_phase_without_a_hub_is_a_note(tmp_path):
    found, notes = find(tmp_path)
    assert (found, notes) == ((), ["no sealed hub of phase7 to compare with"])


def test_each_phase_gives_one_hub(sealed, tmp_path):
    sealed(1)
    sealed(2, phase="phase6")
    found, _ = find(tmp_path, phases=("phase6", "phase7"))
    assert [one.facts.phase for one in found] == ["phase6", "phase7"]


def test_a_changed_hub_can_be_opened_and_says_what_is_wrong(sealed):
    folder = sealed(1)
    (folder / "more").write_text("x")
    assert "unexpected: more" in open_hub(folder).facts.problem


def test_a_folder_that_is_no_hub_cannot_be_opened(tmp_path):
    with pytest.raises(VerificationError, match=r"is not a hub: hub.json cannot be read"):
        open_hub(tmp_path)
