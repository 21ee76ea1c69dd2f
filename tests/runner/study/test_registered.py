"""On a study's pages a registered finding has its status from every hub that counts."""

import pytest

from runner.hub.records.registered import as_registered
from runner.manifest.findings import load_register
from runner.study import sync
from tests.runner.verify.registration.test_confirmation import SEEDS, arm, grid

NORM = "model.decoder_norm"
REGISTER = f"""\
schema_version = 1
[[findings]]
id = "NORM-001"
date = "2026-01-01"
claim = "It helps."
basis = "A hint."
[findings.registration]
phase = "phase8"
date = "2026-01-01"
measure = "flat"
level = "read back"
seeds = {list(SEEDS)}
n = {len(SEEDS)}
[[findings.registration.contrasts]]
arms = {{ "model.architecture" = "hybrid", "{NORM}" = "instance" }}
against = {{ "model.architecture" = "hybrid", "{NORM}" = "none" }}
expect = "lower"
"""


@pytest.fixture
def study(project):
    path = project / "docs" / "study" / "findings.toml"
    path.write_text(REGISTER)
    manifest = project / "manifests" / "phase8.toml"
    manifest.write_text(manifest.read_text().replace("OPTIM-001", "NORM-001"))
    return project


def registered(study, commit="c" * 40):
    (one,) = load_register(study / "docs" / "study" / "findings.toml").findings
    return as_registered(one, commit=commit)


@pytest.fixture
def run(study, seal, record):
    """Seal a hub of the registered runs, or of others."""

    def made(minute=0, *, arms=None, **changed):
        facts = {
            "arms": grid() if arms is None else arms, "registered": (registered(study),),
            "findings": ("NORM-001",), "identical_arms": (),
            "code": record.code.model_copy(update={"dirty": False}),
        }  # fmt: skip
        return seal(minute, **(facts | changed))

    return made


def synced(study, page="README.md"):
    sync([], artifacts=study / "artifacts", docs=study / "docs")
    return (study / "docs" / "study" / page).read_text()


RESULT = (
    "0 of 10 flat, against 6 of 10; evidence that it is so (Boschloo, two-sided, p = 0.00352, "
    "adjusted for 1 primary contrast 0.00352)"
)


def test_before_any_run_it_is_registered_and_open(study):
    text = synced(study)
    digest = registered(study).sha256
    assert "| phase8 | **open**, registered |" in text
    assert f"Registered on 2026-01-01, digest `{digest}`: 10 seeds a cell" in text
    assert "**open**; no hub meets the registration (phase8)." in text


def test_a_hub_that_counts_confirms(study, run):
    run()
    text = synced(study)
    assert "**supported**, confirmatory" in text
    assert "confirmatory if" not in text
    assert f"**supports**; {RESULT} ([phase8, 2026-01-30T050000Z](phase8.md))." in text
    told = synced(study, "phase8.md")
    assert f"Registered when it began: NORM-001 (`{registered(study).sha256}`)." in told
    assert "nothing was registered" not in told


def test_a_hub_that_does_not_tell_of_the_commit_confirms_under_that_condition(study, run):
    folder = run(registered=(registered(study, commit=None),))
    text = synced(study)
    assert "**supported**, confirmatory if its registration was committed" in text
    told = "whether the registration was committed when it began is not on record"
    assert f"- phase8/2026-01-30T050000Z counts, and {told}" in text
    assert told in (folder / "summary.md").read_text()


def test_a_hub_whose_registration_was_in_no_commit_does_not_count(study, run):
    run(registered=(registered(study, commit=""),))
    text = synced(study)
    assert "does not count: no commit had the registration when it began." in text
    assert "**open**, registered" in text


def test_the_pages_of_the_hub_itself_say_the_same(run):
    folder = run()
    for name in ("summary.md", "report.html"):
        assert RESULT in (folder / name).read_text()


def test_a_hub_that_does_not_count_says_why_on_its_own_page_and_on_the_studys(study, run):
    folder = run(only=("a",))
    assert "This hub does not count for NORM-001: it was run in part." in (
        (folder / "summary.md").read_text()
    )
    text = synced(study)
    assert "phase8/2026-01-30T050000Z does not count: it was run in part." in text
    assert "**open**, registered" in text


def test_every_hub_under_a_registration_is_kept_and_none_wins_by_being_new(study, run):
    run(0, arms=grid((0, 0)))
    run(1, started="2026-01-30T06:00:00.000+00:00")
    text = synced(study)
    assert "**open**" in text
    assert "contradict each other" in text
    folders = sorted(path.name for path in (study / "docs/study/hubs/phase8").iterdir())
    assert folders == ["2026-01-30T050000Z", "2026-01-30T050100Z"]


def test_two_hubs_that_agree_are_both_named(study, run):
    run(0)
    run(1, started="2026-01-30T06:00:00.000+00:00")
    assert (
        "([phase8, 2026-01-30T050000Z](phase8.md)<br>[phase8, 2026-01-30T050100Z](phase8.md))"
        in synced(study)
    )


def test_to_edit_the_registration_after_the_run_takes_the_hub_from_it(study, run):
    run()
    path = study / "docs" / "study" / "findings.toml"
    path.write_text(REGISTER.replace('expect = "lower"', 'expect = "higher"'))
    text = synced(study)
    assert "does not count: it was begun under another registration" in text
    assert "**open**, registered" in text


def test_a_kept_hub_of_another_phase_that_ran_the_seeds_before_spoils_them(study, run):
    run(0, phase="phase7", registered=(), findings=(), started="2026-01-29T05:00:00.000+00:00",
        arms=(arm("hybrid", "none", SEEDS[0]),))  # fmt: skip
    run(1)
    assert "seed 101 was run before, in phase7/2026-01-30T050000Z" in synced(study)


def test_a_hub_that_ran_the_seeds_before_is_kept_though_a_newer_one_took_its_place(study, run):
    run(0, registered=(), started="2026-01-29T05:00:00.000+00:00")
    run(1)
    text = synced(study)
    assert "seed 101 was run before, in phase8/2026-01-30T050000Z" in text
    assert "**open**, registered" in text


def test_what_was_not_registered_is_exploratory(study, run):
    run(registered=())
    assert "**Exploratory**: nothing was registered" in synced(study, "phase8.md")
