"""The register of findings is read strictly, and manifests name what it holds."""

import os
import re
from pathlib import Path

import pytest

from runner.core.errors import ManifestError
from runner.manifest.findings import (
    ComparisonExpectation,
    RateExpectation,
    RuleExpectation,
    load_register,
    register_for,
)
from runner.manifest.model import load

ROOT = Path(__file__).parents[3]
REGISTER = """\
schema_version = 1
[[findings]]
id = "STABLE-LS-001"
date = "2026-11-21"
claim = "It collapses."
basis = "It was seen."
[[findings.evidence]]
kind = "rate"
phase = "phase1"
arms = { "train.learning_rate" = 2e-2 }
expect = "above"
bound = 0.5
"""
MANIFEST = """\
schema_version = 1
[phase]
name = "phase1"
title = "One"
question = "Why?"
findings = ["STABLE-LS-001", "STABLE-LS-01"]
seed = 1
[[arms]]
name = "one"
"""


def project(folder, register=REGISTER, manifest=MANIFEST):
    (folder / "manifests").mkdir()
    (folder / "manifests" / "phase1.toml").write_text(manifest)
    if register is not None:
        (folder / "docs" / "study").mkdir(parents=True)
        (folder / "docs" / "study" / "findings.toml").write_text(register)
    return folder / "manifests" / "phase1.toml"


def refused(path, read=load_register):
    with pytest.raises(ManifestError) as caught:
        read(path)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_a_register_that_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "findings.toml")
    assert refused(tmp_path / "findings.toml") == (
        "findings.toml: findings.toml is not a regular file; give the path of a TOML file"
    )


# --- the register --------------------------------------------------------------------------------


def test_a_register_is_read(tmp_path):
    path = tmp_path / "findings.toml"
    path.write_text(REGISTER)
    (finding,) = load_register(path).findings
    assert (finding.id, finding.date) == ("STABLE-LS-001", "2026-11-21")
    assert finding.evidence == (
        RateExpectation(
            phase="phase1", arms={"train.learning_rate": 0.02}, expect="above", bound=0.5
        ),
    )


def test_the_shipped_register_is_sound_and_asks_only_phases_of_the_study():
    register = load_register(ROOT / "docs" / "study" / "findings.toml")
    assert "STABLE-LS-001" in [finding.id for finding in register.findings]
    for finding in register.findings:
        asked = [*finding.evidence, *([finding.registration] if finding.registration else [])]
        for expectation in asked:
            assert re.fullmatch(r"phase([3-9]|1[01])", expectation.phase), finding.id


def test_every_kind_of_expectation_is_read(tmp_path):
    path = tmp_path / "findings.toml"
    comparison = """\
[[findings.evidence]]
kind = "comparison"
phase = "phase2"
profile = "full"
measure = "amp_ssim"
arms = { "train.optimizer.kind" = "sgd" }
against = { "train.optimizer.kind" = "adamw", "train.optimizer.weight_decay" = 0.0 }
expect = "higher"
[[findings.evidence]]
kind = "rule"
phase = "phase3"
among = "collapsed"
rule = "grad_norm_min <= 0"
"""
    path.write_text(REGISTER + comparison)
    _, second, third = load_register(path).findings[0].evidence
    assert isinstance(second, ComparisonExpectation)
    assert (second.profile, second.measure) == ("full", "amp_ssim")
    assert isinstance(third, RuleExpectation)
    assert third.arms is None


BROKEN = {
    "a status typed in": (
        'basis = "It was seen."',
        'basis = "It was seen."\nstatus = "supported"',
        "findings.toml:7: findings[0].status: unknown key; known are id, date, claim, basis, "
        'evidence, level, registration\n    7 | status = "supported"',
    ),
    "a date that is none": (
        '"2026-11-21"',
        '"21.11.2026"',
        "findings.toml:4: findings[0].date: got '21.11.2026'; expected a date, like '2026-01-28'\n"
        '    4 | date = "21.11.2026"',
    ),
    "a date that sorts before all others of its year": (
        '"2026-11-21"',
        '"20261121"',
        "findings.toml:4: findings[0].date: got '20261121'; expected a date, like '2026-01-28'\n"
        '    4 | date = "20261121"',
    ),
    "a date without quotes": (
        '"2026-11-21"',
        "2026-11-21",
        "findings.toml:4: findings[0].date: got 2026-11-21; dates mean nothing here: write it in "
        "quotes\n    4 | date = 2026-11-21",
    ),
    "an unknown kind": (
        'kind = "rate"',
        'kind = "rates"',
        "findings.toml:8: findings[0].evidence[0].kind: got 'rates'; expected one of 'rate', "
        "'comparison', 'rule'; did you mean 'rate'?\n    8 | kind = \"rates\"",
    ),
    "a knob that there is not": (
        "train.learning_rate",
        "train.learning_rat",
        "findings.toml:10: findings[0].evidence[0].arms.'train.learning_rat': got "
        "'train.learning_rat'; expected the dotted name of a knob, like 'train.optimizer.kind'\n"
        '    10 | arms = { "train.learning_rat" = 2e-2 }',
    ),
    "a table in place of a knob": (
        '"train.learning_rate" = 2e-2',
        '"train.optimizer" = "sgd"',
        "findings.toml:10: findings[0].evidence[0].arms.'train.optimizer': got 'train.optimizer'; "
        "expected the dotted name of a knob, like 'train.optimizer.kind'\n"
        '    10 | arms = { "train.optimizer" = "sgd" }',
    ),
    "a bound that is no share": (
        "bound = 0.5",
        "bound = 5",
        "findings.toml:12: findings[0].evidence[0].bound: got 5; expected a number of at most 1\n"
        "    12 | bound = 5",
    ),
    "a newer format": (
        "schema_version = 1",
        "schema_version = 2",
        "findings.toml:1: schema_version: got 2; expected 1\n    1 | schema_version = 2",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_said_with_its_line(tmp_path, case):
    old, new, message = BROKEN[case]
    path = tmp_path / "findings.toml"
    path.write_text(REGISTER.replace(old, new))
    assert refused(path) == message


def test_an_id_stands_once(tmp_path):
    path = tmp_path / "findings.toml"
    path.write_text(REGISTER + REGISTER.removeprefix("schema_version = 1\n"))
    assert refused(path) == (
        "findings.toml:14: findings[1].id: got 'STABLE-LS-001', the id of the finding on line 3 "
        'already; give another\n    14 | id = "STABLE-LS-001"'
    )


# --- manifests -----------------------------------------------------------------------------------


def test_an_unknown_finding_is_refused_at_its_line_with_the_nearest(tmp_path):
    path = project(tmp_path)
    assert refused(path, load) == (
        "phase1.toml:6: phase.findings[1]: got 'STABLE-LS-01'; docs/study/findings.toml has no "
        "such finding; did you mean 'STABLE-LS-001'?\n"
        '    6 | findings = ["STABLE-LS-001", "STABLE-LS-01"]'
    )


def test_where_none_is_near_the_known_ones_are_named(tmp_path):
    path = project(tmp_path, manifest=MANIFEST.replace("STABLE-LS-01", "X-9"))
    assert "has no such finding; known are STABLE-LS-001\n" in refused(path, load)


def test_an_id_of_the_wrong_form_is_complained_about_once(tmp_path):
    path = project(tmp_path, manifest=MANIFEST.replace("STABLE-LS-01", "nonsense"))
    assert refused(path, load).count("phase1.toml:6") == 1


def test_without_a_register_ids_are_not_checked(tmp_path):
    assert load(project(tmp_path, register=None)).manifest.phase.findings[1] == "STABLE-LS-01"


def test_the_register_of_another_checkout_is_not_asked(tmp_path):
    project(tmp_path)
    (tmp_path / "inner").mkdir()
    inner = project(tmp_path / "inner", register=None)
    assert register_for(inner) == tmp_path.resolve() / "docs" / "study" / "findings.toml"
    (tmp_path / "inner" / ".git").mkdir()
    assert register_for(inner) is None
    assert load(inner)


def test_a_manifest_without_findings_does_not_need_a_sound_register(tmp_path):
    plain = MANIFEST.replace('findings = ["STABLE-LS-001", "STABLE-LS-01"]\n', "")
    assert load(project(tmp_path, register="nonsense", manifest=plain))


def test_a_broken_register_is_told_where_a_manifest_needs_it(tmp_path):
    path = project(tmp_path, register=REGISTER.replace('"rate"', '"rates"'))
    with pytest.raises(ManifestError, match=r"findings\.toml:8: findings\[0\]\.evidence"):
        load(path)


# --- registrations -------------------------------------------------------------------------------

REGISTERED = """\
schema_version = 1
[[findings]]
id = "NORM-002"
date = "2026-11-21"
claim = "It helps."
basis = "A hint."
[findings.registration]
phase = "phase1"
date = "2026-11-21"
measure = "flat"
seeds = [11, 12]
n = 2
[findings.registration.setting]
"train.learning_rate" = 2e-2
[[findings.registration.contrasts]]
arms = { "model.decoder_norm" = "instance" }
against = { "model.decoder_norm" = "none" }
expect = "lower"
"""
NAMES_IT = MANIFEST.replace('["STABLE-LS-001", "STABLE-LS-01"]', '["NORM-002"]')


def test_a_registration_is_read_with_its_defaults(tmp_path):
    path = tmp_path / "findings.toml"
    path.write_text(REGISTERED)
    (finding,) = load_register(path).findings
    plan = finding.registration
    assert (plan.level, plan.data, plan.test, plan.sides) == (
        "audited",
        "shared",
        "boschloo",
        "two-sided",
    )
    assert (plan.alpha, plan.effects) == (0.05, ((0.6, 0.0), (0.4, 0.0)))
    none = {"train.learning_rate": 2e-2, "model.decoder_norm": "none"}
    assert plan.cells(plan.contrasts[0])[1] == none


def digest_of(folder, text):
    folder.mkdir()
    (folder / "findings.toml").write_text(text)
    (finding,) = load_register(folder / "findings.toml").findings
    return finding.registered_sha256


def test_the_digest_is_of_what_is_registered_and_not_of_how_it_is_spelled(tmp_path):
    before = digest_of(tmp_path / "a", REGISTERED)
    respelled = REGISTERED.replace("2e-2", "0.02").replace("n = 2\n", "n = 2\nalpha = 0.05\n")
    assert digest_of(tmp_path / "b", respelled) == before
    assert digest_of(tmp_path / "c", REGISTERED.replace("A hint.", "A guess.")) == before
    for place, (old, new) in enumerate(
        [("[11, 12]", "[11, 13]"), ("It helps.", "It harms."), ('"lower"', '"higher"'),
         ("2e-2", "1e-2"), ('"flat"', '"collapse"')]
    ):  # fmt: skip
        assert digest_of(tmp_path / f"d{place}", REGISTERED.replace(old, new)) != before


EVIDENCE = REGISTER[REGISTER.index("[[findings.evidence]]") :]
WRONG = {
    "n that is not the number of seeds": ("n = 2", "n = 3", "n is 3 and seeds has 2"),
    "a seed twice": ("[11, 12]", "[11, 11]", "seeds names one twice"),
    "one seed": ("seeds = [11, 12]", "seeds = [11]", "got [11]"),
    "a level that is none": ("n = 2", 'n = 2\nlevel = "declared only"', "expected one of"),
    "a level of significance above .05": ("n = 2", "n = 2\nalpha = 0.1", "at most 0.05"),
    "another test": ("n = 2", 'n = 2\ntest = "fisher"', "expected 'boschloo'"),
    "cells that are the same": ('"instance"', '"none"', "one of them with another value"),
    "cells by other knobs": (
        'against = { "model.decoder_norm"',
        'against = { "model.architecture"',
        "must name the same knobs",
    ),
    "a knob of the setting in a contrast": (
        '"train.learning_rate" = 2e-2',
        '"model.decoder_norm" = "none"',
        "both give 'model.decoder_norm'",
    ),
    "a knob that there is not": ("train.learning_rate", "train.rate", "dotted name of a knob"),
    "one side without a side": (
        'expect = "lower"',
        'expect = "different"',
        "a contrast expects no side",
    ),
    "evidence beside it": (
        'expect = "lower"\n',
        f'expect = "lower"\n{EVIDENCE}',
        "registration and evidence exclude each other",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_registration_that_cannot_decide_is_refused(tmp_path, case):
    old, new, told = WRONG[case]
    text = REGISTERED.replace(old, new)
    if case == "one side without a side":
        text = text.replace("n = 2", 'n = 2\nsides = "one-sided"')
    path = tmp_path / "findings.toml"
    path.write_text(text)
    assert told in refused(path)


def test_three_primary_contrasts_are_too_many_and_none_too_few(tmp_path):
    path = tmp_path / "findings.toml"
    contrast = REGISTERED[REGISTERED.index("[[findings.registration.contrasts]]") :]
    path.write_text(REGISTERED + contrast.replace("instance", "layer") + contrast)
    assert "contrasts" in refused(path)
    path.write_text(REGISTERED + contrast)
    assert "the same two cells twice" in refused(path)
    path.write_text(REGISTERED.replace(contrast, ""))
    assert "contrasts: missing" in refused(path)


def test_a_manifest_takes_along_what_is_registered_for_its_phase(tmp_path):
    loaded = load(project(tmp_path, REGISTERED, NAMES_IT))
    assert [one.id for one in loaded.registered] == ["NORM-002"]


def test_what_is_registered_for_another_phase_is_not_taken_along(tmp_path):
    other = REGISTERED.replace('phase = "phase1"', 'phase = "phase2"')
    assert load(project(tmp_path, other, NAMES_IT)).registered == ()


def test_a_manifest_that_leaves_out_what_is_registered_for_its_phase_is_refused(tmp_path):
    silent = NAMES_IT.replace('findings = ["NORM-002"]\n', "")
    assert "registers NORM-002 for this phase; add it to the findings" in refused(
        project(tmp_path, REGISTERED, silent), load
    )
