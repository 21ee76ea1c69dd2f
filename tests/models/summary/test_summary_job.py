"""The job at the end of a phase, from the command line to its files."""

import json

import pytest

from models.__main__ import main
from models.config.summary import SummaryGroup
from models.summary.comparisons import Group
from models.summary.document import described
from tests.models.summary.conftest import FLAT, SOUND, Phase, files, run

NAMES = (
    "losses", "learning_rates", "gradient_norms", "correlations", "activations", "scores",
)  # fmt: skip
PLOTS = {f"{name}.png" for name in NAMES}
LINES = {
    f"plots/{name}_{width}mm.{kind}"
    for name in NAMES
    for width in (180, 85)
    for kind in ("svg", "pdf")
}


def summarise(phase, name="out"):
    out = phase.folder / name
    code = main(["summarise", "--job", str(phase.write()), "--out", str(out)])
    return code, out


def statistics(out):
    return json.loads((out / "statistics.json").read_text())


def with_two_groups(phase):
    report = {"lifter": {"position": 0, "mean": 0.1, "share_not_positive": 0.4}}
    phase.add("low", [files(SOUND, activations=report), files(SOUND), files(FLAT)], rate=1e-3)
    phase.add("high", [files(FLAT), "failed", "configuration_differs"], rate=1e-2)
    phase.pair(0, 1, "rate")
    return phase


@pytest.fixture
def two_groups(phase):
    return with_two_groups(phase)


@pytest.fixture(scope="module")
def summarised(tmp_path_factory):
    """What the job leaves of the two groups."""
    code, out = summarise(with_two_groups(Phase(tmp_path_factory.mktemp("two_groups"))))
    assert code == 0
    return out


def test_statistics_and_plots_are_left_and_declared_deterministic(summarised):
    out = summarised
    result = json.loads((out / "result.json").read_text())
    assert {f["path"]: f["deterministic"] for f in result["files"]} == {
        **dict.fromkeys(PLOTS | LINES | {"statistics.json"}, True),
        "events.jsonl": False,
    }
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in PLOTS)
    for name in LINES:
        content = (out / name).read_bytes()
        assert content.startswith((b"<?xml", b"%PDF")), name
        for told in (b"<dc:date>", b"Date", b"matplotlib v", b"Producer"):
            assert told not in content, (name, told)


def test_the_same_job_gives_the_same_bytes(summarised, two_groups):
    _, other = summarise(two_groups, "other")
    for name in PLOTS | LINES | {"statistics.json"}:
        assert (summarised / name).read_bytes() == (other / name).read_bytes(), name


def test_a_group_tells_its_seeds_rate_and_spread(summarised):
    low, _ = statistics(summarised)["groups"]
    assert (low["name"], low["knobs"], low["seeds"]) == ("low", {"rate": 1e-3}, [0, 1, 2])
    assert (low["num_arms"], low["num_collapsed"]) == (3, 1)
    assert low["arms_collapsed"] == ["low_2"]
    assert low["metrics"]["amp_ssim"]["all"]["n"] == 3
    assert low["metrics"]["amp_ssim"]["not_collapsed"] == {
        "n": 2, "median": 0.9, "q1": 0.9, "q3": 0.9,
    }  # fmt: skip
    assert low["metrics"]["phase_ssim"]["all"]["n"] == 2


def test_arms_that_did_not_run_as_planned_are_named_and_do_not_count(summarised):
    _, high = statistics(summarised)["groups"]
    assert (high["arms"], high["num_arms"]) == (["high_0"], 1)
    assert high["not_counted"] == [
        {"name": "high_1", "seed": 1, "status": "failed"},
        {"name": "high_2", "seed": 2, "status": "configuration_differs"},
    ]
    assert high["metrics"]["amp_ssim"]["not_collapsed"] is None


def test_a_group_in_which_nothing_counts_has_neither_rate_nor_scores(phase):
    phase.add("dead", ["failed"])
    code, out = summarise(phase)
    assert code == 0
    (dead,) = statistics(out)["groups"]
    assert (dead["num_arms"], dead["collapse_rate"], dead["collapse_interval"]) == (0, None, None)
    assert dead["metrics"]["amp_ssim"] == {"all": None, "not_collapsed": None}


def test_a_phase_without_arms_has_empty_statistics(phase):
    code, out = summarise(phase)
    assert code == 0
    assert statistics(out)["groups"] == statistics(out)["comparisons"] == []


def test_an_input_with_other_bytes_is_refused(two_groups, capsys):
    job = two_groups.write()
    (two_groups.folder / "data/0/low_0/stats.json").write_text("{}")
    assert main(["summarise", "--job", str(job), "--out", str(two_groups.folder / "out")]) == 2
    assert "input 0/low_0/stats.json has sha256" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("stats.json", "[]", "stats.json holds no table"),
        ("stats.json", "{}", "stats.json does not say whether the arm collapsed"),
        ("history.json", "{", "arm broken_0: "),
        ("grad_norms.csv", "step,epoch,pre_clip\n1,0,2", "'post_clip'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_arm(phase, capsys, file, text, told):
    phase.add("broken", [files(SOUND) | {file: text}])
    code, out = summarise(phase)
    assert code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "arm broken_0" in last
    assert told in last
    assert not (out / "result.json").exists()


def test_parameters_that_are_no_summary_are_refused(phase, capsys):
    path = phase.write()
    table = json.loads(path.read_text())
    table["parameters"]["more"] = 1
    path.write_text(json.dumps(table))
    assert main(["summarise", "--job", str(path), "--out", str(phase.folder / "out")]) == 2
    assert "parameters.more: Extra inputs are not permitted" in capsys.readouterr().err


def test_where_no_arm_left_an_activation_report_there_is_no_empty_plot(phase):
    phase.add("low", [files(SOUND), files(SOUND)], rate=1e-3)
    _, out = summarise(phase)
    assert {path.name for path in out.glob("*.png")} == PLOTS - {"activations.png"}


# --- collapse by two definitions -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("stats", "collapsed", "shortcoming"),
    [
        ({"collapsed": True, "collapse_reason": "flat: 0"}, True, None),
        ({"collapsed": True}, True, None),
        ({"collapsed": True, "collapse_reason": "not finite: NaN"}, False, "not_finite"),
        ({"collapsed": True, "collapse_reason": "unlike the object: .3"}, False, "unlike_object"),
        ({"collapsed": False}, False, None),
        ({"score_definition": 2, "collapsed": True, "collapse_kind": "flat"}, True, None),
        ({"score_definition": 2, "collapse_kind": "not_finite"}, False, "not_finite"),
        ({"score_definition": 2, "collapse_kind": "unlike_object"}, False, "unlike_object"),
        ({"score_definition": 2, "unfinished": True}, False, "unfinished"),
        ({"score_definition": 2, "unfinished": None}, False, None),
    ],
)
def test_collapsed_is_flat_by_either_definition(stats, collapsed, shortcoming):
    one = run(**({"collapsed": False, "collapse_epoch": 1} | stats))
    assert (one.collapsed, one.shortcoming) == (collapsed, shortcoming)
    assert one.fate == ("collapsed" if collapsed else shortcoming)
    assert one.fate_epoch == (1 if one.fate else None)


def test_what_is_no_collapse_is_counted_beside_it():
    runs = (
        run(name="a"),
        run(name="b", collapsed=True),
        run(name="c", score_definition=2, collapse_kind="not_finite"),
        run(name="d", score_definition=2, unfinished=True),
        run(name="e", score_definition=2, unfinished=True),
    )
    facts = SummaryGroup(name="g", label="g", phase="p", hub="h", knobs={}, arms=())
    found = described(facts, Group(label="g", runs=runs))
    assert (found["num_arms"], found["num_collapsed"]) == (5, 1)
    assert found["other_outcomes"] == {"not_finite": 1, "unfinished": 2}
