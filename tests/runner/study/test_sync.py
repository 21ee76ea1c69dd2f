"""The pages of a study follow from sealed hubs alone, and nothing that people wrote is lost."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner.core.errors import ManifestError, StudyError, VerificationError
from runner.hub.checksums import CHECKSUMS, write_checksums
from runner.hub.layout import verify
from runner.study import store, sync
from runner.study.selection import ALLOWANCE_BYTES, ALWAYS
from runner.verify.consistency import inconsistencies
from runner.verify.sealed_hub import SealedHub

ROOT = Path(__file__).parents[3]
FIRST = "hubs/phase8/2026-01-30T050000Z"
PAGES = ("README.md", "summary.md")
SUMMARY = "summary.md.txt"
"""Kept under this name: most of what the page links to is not kept."""


def sealed_name(path):
    return path.removesuffix(".txt")


def synced(project, *hubs, artifacts=None):
    return sync(list(hubs), artifacts=artifacts or project / "artifacts", docs=project / "docs")


def page(project, name="phase8.md"):
    return (project / "docs" / "study" / name).read_text()


def tree(folder):
    """Content of every file by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def refused(project, error, *hubs):
    """The message of a refusal, which must have left everything as it was."""
    before = tree(project / "docs")
    with pytest.raises(error) as caught:
        synced(project, *hubs)
    assert tree(project / "docs") == before
    return str(caught.value).replace(f"{project}/", "")


# --- the pages -----------------------------------------------------------------------------------


def test_a_phase_without_a_hub_says_so_and_shows_what_is_declared(project):
    synced(project)
    text = page(project)
    assert "**Status: no hub kept.** No sealed hub of this phase is kept here" in text
    assert "| stable_sgd | — | sgd | 0.9 | 0 | 1 |" in text
    assert (
        "| [phase8](phase8.md) | Does SGD or AdamW keep it from collapsing? | no hub kept |"
        in page(project, "README.md")
    )
    assert "| none yet |" in page(project, "history.md")


def test_declared_arms_that_differ_in_the_seed_alone_share_a_row(project):
    matrix = '[matrix]\nmodel.architecture = ["hybrid", "stable_hybrid"]\nseed = [1, 2, 3]\n'
    head = (project / "manifests" / "phase8.toml").read_text().split("[model]")[0]
    (project / "manifests" / "phase8.toml").write_text(head + matrix)
    synced(project)
    found = [row for row in rows(page(project)) if "hybrid-s1" in row]
    assert [row.strip("| ").split(" | ")[0] for row in found] == [
        "hybrid-s1 to hybrid-s3",
        "stable_hybrid-s1 to stable_hybrid-s3",
    ]
    assert [row.strip("| ").split(" | ")[-1] for row in found] == ["1, 2 and 3"] * 2


def test_the_page_of_a_phase_tells_what_its_hub_holds(project, seal):
    hub = seal()
    synced(project)
    text = page(project)
    digest = subprocess.check_output(["sha256sum", hub / "SHA256SUMS"], text=True).split()[0]
    for part in (
        "**Status: run.**",
        "It bears on [OPTIM-001](README.md#optim-001) (open, exploratory, on arms that were read "
        "back).",
        "## In full: hub 2026-01-30T050000Z",
        "`phasehub run manifests/phase8.toml`",
        "2 cores of Some Processor, 8 GiB of memory, no GPU, Debian GNU/Linux 12",
        f"| digest of SHA256SUMS | `{digest}` |",
        f"cd docs/study/{FIRST} && sha256sum --check",
        "### What was measured",
        "### Verdict",
        "are one and the same",
        "Note: gpus = 1, and no GPU is here",
        "✗ stable_adamw collapsed at epoch 7",
        "nothing is said about rates or differences",
    ):
        assert part in text, part
    assert "**These numbers do not answer" not in text


def test_the_index_counts_what_became_of_the_arms(project, seal):
    seal()
    synced(project)
    (row,) = [
        row for row in rows(page(project, "README.md")) if "phase8.md" in row and FIRST in row
    ]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:] == [
        "run", f"[2026-01-30T050000Z]({FIRST}/)", "3 of 5", "2 of 3", "stable_adamw",
    ]  # fmt: skip


def test_a_profile_says_that_it_does_not_answer_and_stands_behind_the_phase(project, seal):
    seal(profile="quick")
    synced(project)
    assert "**Status: only as profile quick.** A profile is a variant" in page(project)
    seal(1)
    synced(project)
    text = page(project)
    assert "**Status: run.**" in text
    assert text.index("## In full: hub 2026-01-30T050100Z") < text.index("## Profile quick: hub")
    assert text.count("**These numbers do not answer the phase's question**") == 1


def test_a_manifest_that_changed_since_is_told(project, seal):
    seal()
    synced(project)
    assert "has changed since" not in page(project)
    manifest = project / "manifests" / "phase8.toml"
    manifest.write_text(manifest.read_text() + "# another\n")
    synced(project)
    assert (
        f"**The manifest has changed since**: this hub was made from [an earlier one]({FIRST}"
        in (page(project))
    )


def test_a_line_for_editors_changes_no_manifest(project, seal):
    seal()
    manifest = project / "manifests" / "phase8.toml"
    manifest.write_text("#:schema ../docs/schema/manifest.schema.json\n" + manifest.read_text())
    synced(project)
    assert "has changed since" not in page(project)


def test_findings_have_their_status_from_hubs(project, seal, record):
    register = project / "docs" / "study" / "findings.toml"
    rule = """[[findings]]
id = "RULE-001"
date = "2026-11-21"
level = "read back"
claim = "A collapsed arm has an amplitude without structure."
basis = "By definition."
[[findings.evidence]]
kind = "rule"
phase = "phase8"
among = "collapsed"
rule = "recon_amp_std <= 1e-3"
"""
    register.write_text(register.read_text() + rule)
    seal()
    synced(project)
    text = page(project, "README.md")
    evidence = "[phase8, 2026-01-30T050000Z](phase8.md)"
    told = f"an amplitude without structure. | {evidence} | **supported**, exploratory, on arms"
    assert told in text
    assert f"**supports**; holds for all 1 arms that collapsed ({evidence})." in text
    assert "| no phase asks for it | **open**, exploratory, on arms that were read back |" in text
    assert f"**open**; the hub has no statistics over arms ({evidence})." in text
    assert (
        "[OPTIM-001](README.md#optim-001) (open, exploratory, on arms that were read back), "
        "[RULE-001](README.md#rule-001) (supported, exploratory, on arms that were read back)"
        in page(project)
    )


# --- stability -----------------------------------------------------------------------------------


def test_a_second_run_changes_nothing_even_without_the_artifacts(project, seal, tmp_path):
    seal()
    seal(1, profile="quick")
    assert synced(project)
    before = tree(project / "docs")
    assert synced(project) == []
    shutil.rmtree(project / "artifacts")
    assert synced(project) == []
    assert tree(project / "docs") == before


def test_the_pages_do_not_depend_on_where_the_project_lies(project, seal, tmp_path_factory):
    seal()
    synced(project)
    other = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(project / "manifests", other / "manifests")
    shutil.copytree(project / "docs" / "study" / "hubs", other / "docs" / "study" / "hubs")
    shutil.copy(project / "docs" / "study" / "findings.toml", other / "docs" / "study")
    synced(other)
    assert tree(other / "docs") == tree(project / "docs")


def test_the_order_in_which_hubs_come_in_does_not_matter(project, seal, tmp_path_factory):
    hubs = [seal(), seal(1), seal(2, profile="quick")]
    synced(project, *hubs)
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(project / "manifests", other / "manifests")
    (other / "docs" / "study").mkdir(parents=True)
    shutil.copy(project / "docs" / "study" / "findings.toml", other / "docs" / "study")
    for hub in reversed(hubs):
        synced(other, hub)
    assert tree(other / "docs") == tree(project / "docs")


def test_prose_outside_the_markers_survives(project, seal):
    synced(project)
    for name in ("phase8.md", "README.md", "history.md"):
        path = project / "docs" / "study" / name
        path.write_text("Before.\n\n" + path.read_text() + "\nWhat we make of it.\n")
    seal()
    synced(project)
    for name in ("phase8.md", "README.md", "history.md"):
        text = page(project, name)
        assert text.startswith("Before.\n\n")
        assert text.endswith("\nWhat we make of it.\n")
    assert "## In full" in page(project)


# --- what is kept --------------------------------------------------------------------------------


def test_what_is_kept_passes_sha256sum(project, seal):
    hub = seal()
    synced(project)
    kept = project / "docs" / "study" / FIRST
    names = set(tree(kept))
    assert {"hub.json", "SHA256SUMS", SUMMARY, "manifest.toml", "environment.json"} <= names
    assert not [name for name in names if name.endswith((".pt", ".npz", ".log"))]
    assert all(tree(hub)[sealed_name(name)] == content for name, content in tree(kept).items())
    check = ["sha256sum", "--check", "--ignore-missing", "--strict", "SHA256SUMS"]
    done = subprocess.run(check, cwd=kept, capture_output=True, text=True, check=True)
    checked = len(done.stdout.splitlines())
    assert checked == len(names - {CHECKSUMS, *map(store.kept_name, PAGES)}) > 0


def test_a_summary_kept_by_an_earlier_version_gets_its_new_name(project, seal):
    seal()
    synced(project)
    whole = tree(project / "docs")
    kept = project / "docs" / "study" / FIRST
    (kept / SUMMARY).rename(kept / "summary.md")
    shutil.rmtree(project / "artifacts")
    synced(project)
    assert tree(project / "docs") == whole


def test_a_kept_summary_that_was_changed_is_refused(project, seal):
    seal()
    synced(project)
    shutil.rmtree(project / "artifacts")
    kept = project / "docs" / "study" / FIRST / SUMMARY
    kept.write_bytes(kept.read_bytes() + b"All is well.\n")
    assert f"  changed: {SUMMARY}\n" in refused(project, VerificationError)


def test_a_text_of_no_sealed_page_is_refused(project, seal):
    seal()
    synced(project)
    shutil.rmtree(project / "artifacts")
    (project / "docs" / "study" / FIRST / "more.md.txt").write_text("All is well.\n")
    assert "  unexpected: more.md.txt\n" in refused(project, VerificationError)


def test_of_a_hub_that_a_newer_one_replaces_the_record_stays(project, seal):
    seal()
    synced(project)
    seal(1)
    synced(project)
    assert set(tree(project / "docs" / "study" / FIRST)) == {"hub.json", "SHA256SUMS"}
    attempts = rows(page(project, "history.md"))[2:]
    assert [re.search(r"Z(?=\])", row) is not None for row in attempts] == [True, True]
    assert "2026-01-30T050100Z" in attempts[0]
    assert synced(project) == []


def test_what_is_kept_shrinks_with_the_allowance(project, seal, monkeypatch):
    seal()
    synced(project)
    before = set(tree(project / "docs" / "study" / FIRST))
    monkeypatch.setitem(ALLOWANCE_BYTES, "phase", 0)
    synced(project)
    after = set(tree(project / "docs" / "study" / FIRST))
    assert {"hub.json", "SHA256SUMS", "manifest.toml", SUMMARY} <= after < before
    assert synced(project) == []


SET = {"train.learning_rate": 3e-4}


def test_a_run_over_whose_manifest_a_knob_was_set_speaks_for_no_phase(project, seal):
    seal()
    last = seal(1, set_knobs=SET)
    synced(project)
    assert len(rows(page(project, "history.md"))[2:]) == 1
    synced(project, last)
    assert "## In full: hub 2026-01-30T050000Z" in page(project)
    history = page(project, "history.md")
    assert len(rows(history)[2:]) == 2
    assert "train.learning_rate=0.0003" in history.replace("\\", "")


@pytest.mark.parametrize("cut", [{"interrupted": True}, {"only": ("stable_sgd",)}])
def test_a_newer_run_that_was_cut_short_does_not_speak_for_the_phase(project, seal, cut):
    seal()
    seal(1, **cut)
    synced(project)
    assert "## In full: hub 2026-01-30T050000Z" in page(project)
    assert len(rows(page(project, "history.md"))[2:]) == 2


def test_a_run_that_was_cut_short_speaks_where_there_is_no_other(project, seal):
    seal(interrupted=True)
    synced(project)
    assert "**Status: interrupted.**" in page(project)
    assert "**The run was interrupted**" in page(project)


def test_of_many_hubs_the_newest_of_each_phase_and_profile_is_taken(project, seal):
    seal(phase="phase7")
    seal()
    seal(1)
    seal(2, profile="quick")
    synced(project)
    kept = {
        path.parent.name + "/" + path.name for path in (project / "docs/study/hubs").glob("*/*")
    }
    assert kept == {
        "phase7/2026-01-30T050000Z", "phase8/2026-01-30T050100Z", "phase8/2026-01-30T050200Z",
    }  # fmt: skip


# --- refusals ------------------------------------------------------------------------------------


def test_a_hub_that_was_changed_is_refused(project, seal):
    hub = seal()
    (hub / "summary.md").chmod(0o644)
    (hub / "summary.md").write_text("all is well\n")
    assert refused(project, VerificationError, hub) == (
        "artifacts/phase8/2026-01-30T050000Z is not as it was sealed\n"
        "  changed: summary.md\n"
        "Trust none of its numbers; take the hub from its archive, or run the phase again."
    )


def test_a_sealed_hub_of_these_tests_agrees_with_itself(seal):
    assert inconsistencies(SealedHub(folder=seal())) == ()


def test_a_hub_that_was_forged_and_sealed_anew_is_refused_as_verify_refuses_it(project, seal):
    hub = seal()
    for name in ("hub.json", CHECKSUMS):
        (hub / name).chmod(0o644)
    table = json.loads((hub / "hub.json").read_text())
    table["arms"][0]["stats"]["amp_ssim"] = 0.9923
    (hub / "hub.json").write_text(json.dumps(table))
    write_checksums(hub)
    assert verify(hub).intact
    lines = refused(project, VerificationError, hub).splitlines()
    assert lines[0] == (
        "artifacts/phase8/2026-01-30T050000Z contradicts itself, although its checksums hold: it "
        "was sealed again"
    )
    assert "  arm stable_sgd: its stats in hub.json are not those of its files" in lines
    assert not (project / "docs" / "study" / "hubs").exists()


def test_weights_that_are_not_kept_are_verified_too(project, seal):
    hub = seal()
    (hub / "arms" / "stable_sgd" / "model.pt").unlink()
    assert "  missing: arms/stable_sgd/model.pt\n" in refused(project, VerificationError, hub)


def test_a_kept_file_that_was_changed_is_refused(project, seal):
    seal()
    synced(project)
    shutil.rmtree(project / "artifacts")
    kept = project / "docs" / "study" / FIRST
    (kept / "hub.json").write_text((kept / "hub.json").read_text().replace("0.27", "0.97"))
    (kept / "notes.txt").write_text("mine\n")
    assert refused(project, VerificationError) == (
        f"docs/study/{FIRST} is not as it was sealed\n"
        "  changed: hub.json\n"
        "  unexpected: notes.txt\n"
        "Trust none of its numbers; take the hub from its archive, or run the phase again."
    )


def test_a_kept_hub_without_its_digests_is_refused(project, seal):
    seal()
    synced(project)
    shutil.rmtree(project / "artifacts")
    (project / "docs" / "study" / FIRST / "SHA256SUMS").unlink()
    assert f"docs/study/{FIRST} has no SHA256SUMS" in refused(project, VerificationError)


def test_a_kept_hub_that_was_damaged_is_mended_from_the_sealed_one(project, seal):
    hub = seal()
    synced(project)
    whole = tree(project / "docs")
    kept = project / "docs" / "study" / FIRST
    (kept / "hub.json").unlink()
    (kept / SUMMARY).write_text("")
    synced(project, hub)
    assert tree(project / "docs") == whole


def test_two_hubs_with_one_name_are_refused(project, seal, tmp_path_factory):
    seal()
    synced(project)
    other = seal(artifacts=tmp_path_factory.mktemp("elsewhere"), title="Another")
    assert refused(project, VerificationError, other) == (
        f"docs/study/{FIRST} is kept of another hub with the same name; one of the two is not "
        "what was sealed then"
    )


def test_a_hub_under_another_name_is_refused(project, seal):
    hub = seal()
    moved = hub.rename(hub.parent / "mine")
    assert refused(project, VerificationError, moved) == (
        "artifacts/phase8/mine is not called by its time, like 2026-01-30T050000Z; give the "
        "folder of a sealed hub under the name that it was sealed with"
    )


def test_a_kept_hub_in_the_wrong_place_is_refused(project, seal):
    seal()
    synced(project)
    hubs = project / "docs" / "study" / "hubs"
    (hubs / "phase8").rename(hubs / "phase9")
    assert refused(project, VerificationError) == (
        "docs/study/hubs/phase9/2026-01-30T050000Z holds a hub of phase8; it belongs into "
        "hubs/phase8/<time>"
    )


def test_a_phase_with_an_unsafe_name_is_refused(project, seal, tmp_path_factory):
    hub = seal(artifacts=tmp_path_factory.mktemp("a"), phase="Phase 8")
    assert "hub.json: phase: expected a safe file name" in refused(project, VerificationError, hub)


PLOTS = {f"plot{number}.png": b"x" * 60_000 for number in range(3)}


def kept(project, phase, stamp="2026-01-30T050000Z"):
    """Sizes of what is kept of a hub, its record left out."""
    folder = project / "docs" / "study" / "hubs" / phase / stamp
    files = {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return {name: size for name, size in files.items() if name not in store.RECORD_FILES}


def allow(project, most_bytes):
    (project / "docs" / "study" / "study.toml").write_text(f"[hubs]\nmost_bytes = {most_bytes}\n")


def test_where_room_is_short_older_hubs_give_way_and_none_is_refused(project, seal):
    seal(phase="phase7", more=PLOTS)
    synced(project)
    whole = kept(project, "phase7")
    assert whole.keys() > PLOTS.keys()
    allow(project, 2 * sum(map(len, tree(project / "docs/study/hubs").values())) - 100_000)
    seal(1, more=PLOTS)
    synced(project)
    assert kept(project, "phase8", "2026-01-30T050100Z").keys() > PLOTS.keys()
    assert kept(project, "phase7").keys() == whole.keys() & set(map(store.kept_name, ALWAYS))
    before = tree(project / "docs")
    synced(project, artifacts=project / "none")
    assert tree(project / "docs") == before, "the same from what is kept alone"


def test_records_and_statistics_are_kept_where_nothing_else_has_room(project, seal):
    allow(project, 0)
    seal(more={**PLOTS})
    synced(project)
    assert kept(project, "phase8").keys() <= {"statistics.json"}
    assert "Only its record is kept" in page(project)


def test_a_hub_that_is_too_large_by_itself_leaves_the_others_what_they_have(project, seal):
    seal(phase="phase7", more=PLOTS)
    synced(project)
    whole = kept(project, "phase7")
    allow(project, sum(map(len, tree(project / "docs/study/hubs").values())) + 90_000)
    seal(1, more={**PLOTS, "plot9.png": b"x" * 120_000})
    synced(project)
    assert "plot9.png" not in kept(project, "phase8", "2026-01-30T050100Z")
    assert kept(project, "phase7") == whole


def test_a_wrong_setting_is_named_with_its_line(project, seal):
    seal()
    (project / "docs" / "study" / "study.toml").write_text("[hubs]\nmost = 3\n")
    assert "study.toml:2: hubs.most: " in refused(project, ManifestError)


def test_broken_markers_are_refused_by_file_and_line(project, seal):
    synced(project)
    path = project / "docs" / "study" / "phase8.md"
    path.write_text(path.read_text().replace("<!-- end generated -->\n", ""))
    seal()
    assert refused(project, StudyError).startswith(
        "docs/study/phase8.md:1: the block 'phase' does not end; add a line"
    )


def test_a_page_of_which_nothing_is_known_any_more_is_refused(project):
    synced(project)
    (project / "docs" / "study" / "phase8.md").rename(project / "docs" / "study" / "phase2.md")
    assert refused(project, StudyError) == (
        "docs/study/phase2.md: generated, but there is neither a manifest nor a hub of phase2; "
        "delete the page, or take its markers out"
    )


def test_a_phase_cannot_be_called_like_another_page(project, seal):
    seal(phase="history")
    assert refused(project, StudyError) == (
        "a phase cannot be called 'history': docs/study/history.md is another page of the study; "
        "rename the phase"
    )


def test_a_folder_of_pages_that_is_not_there_is_refused(project):
    with pytest.raises(StudyError) as caught:
        sync([], artifacts=project / "artifacts", docs=project / "dosc")
    assert str(caught.value) == (
        f"{project / 'dosc'}: no such folder; give the folder of the pages with --docs"
    )


def test_a_project_without_a_register_has_no_findings(project, seal):
    (project / "docs" / "study" / "findings.toml").unlink()
    seal()
    synced(project)
    assert "It bears on OPTIM-001." in page(project)


# --- the command ---------------------------------------------------------------------------------


def command(project, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "runner", "docs", "sync", *arguments],
        cwd=project,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_names_what_it_has_written(project, seal):
    hub = seal()
    done = command(project)
    assert done.returncode == 0, done.stderr
    assert "docs/study/phase8.md" in done.stdout.splitlines()
    assert done.stderr == f"docs/study: {len(done.stdout.splitlines())} files changed\n"
    done = command(project, str(hub))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "docs/study: no files changed\n"


def test_the_command_exits_with_4_for_a_hub_that_was_changed(project, seal):
    hub = seal()
    (hub / "summary.md").chmod(0o644)
    (hub / "summary.md").write_text("all is well\n")
    done = command(project, str(hub))
    assert done.returncode == 4
    assert "  changed: summary.md\n" in done.stderr
    assert not (project / "docs" / "study" / "README.md").exists()
