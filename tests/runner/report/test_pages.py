"""The pages say what the record holds: outcome, differences, reasons, and nothing else."""

import base64
import dataclasses
import hashlib
import json
import re
import subprocess
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from models.config import STATS
from runner.core.digest import sha256_bytes
from runner.hub import layout
from runner.hub.metrics_table import metrics_rows
from runner.hub.records.arm import ArmRecord, RuleRecord
from runner.hub.records.base import Difference, FileRecord
from runner.hub.records.beside import SummaryRecord
from runner.manifest.rule_parser import parse
from runner.report import write_reports
from runner.report.hub_text import render_list, render_show
from runner.report.pages import facts, render
from runner.report.scripts import data
from runner.report.statements import statements
from runner.report.view import make_view
from runner.verify.verdict import judge
from tests.runner.conftest import PIXEL

VOID = {"meta", "br", "img", "wbr", "link", "hr", "input"}


class Page(HTMLParser):
    """Tags, links and text of a page; fails on a tag that is not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.images, self.text = [], [], [], []
        self.ids, self.frames = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.links += [attrs["href"]] if "href" in attrs else []
        self.images += [attrs] if tag == "img" else []
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.frames += [attrs] if attrs.get("class") == "scroll" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def pages(record, hub_folder):
    write_reports(record, hub_folder)
    return {path.name: path.read_text() for path in hub_folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", ["README.md", "summary.md"])
def test_every_heading_and_table_stands_behind_a_blank_line(pages, name):
    lines = pages[name].splitlines()
    for before, line in pairwise(lines):
        begins_table = line.startswith("|") and not before.startswith("|")
        if line.startswith("#") or begins_table:
            assert before == "", line


def test_a_constant_image_is_told_beside_the_scores(record, hub_folder):
    arm = record.arms[0]
    scored = {"constant_amp_ssim": 0.2771, "constant_phase_ssim": 0.843}
    told = arm.model_copy(update={"stats": {**arm.stats, **scored}})
    changed = record.model_copy(update={"arms": (told, *record.arms[1:])})
    write_reports(changed, hub_folder)
    for name in ("summary.md", "report.html"):
        text = (hub_folder / name).read_text()
        assert "A constant image would score amp SSIM 0.2771, phase SSIM 0.8430" in text
    write_reports(record, hub_folder)
    assert "A constant image" not in (hub_folder / "summary.md").read_text()


def one(record, name, **changed):
    """The record with one arm only."""
    arm = record.arm(name)
    return record.model_copy(
        update={"arms": (arm.model_copy(update=changed),), "identical_arms": ()}
    )


def cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def tables(text):
    """Every table of a Markdown text as rows of cells, the rule under the head left out."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [
        [cells(line) for number, line in enumerate(block.splitlines()) if number != 1]
        for block in blocks
    ]


# --- pages ---------------------------------------------------------------------------------------


def test_four_pages_are_written(pages):
    assert set(pages) == {
        "README.md",
        "summary.md",
        "report.html",
        "stage_a_metrics_phase8.json",
    }


def test_a_record_gives_the_same_pages_every_time(record, hub_folder, pages):
    write_reports(record, hub_folder)
    assert {name: (hub_folder / name).read_text() for name in pages} == pages


@pytest.mark.parametrize("name", ["README.md", "summary.md", "report.html"])
@pytest.mark.parametrize(
    "told",
    [
        "3 of 5 arms ran as planned.",
        "All success rules hold for stable_sgd and stable_sgd_clip.",
        "stable_adamw collapsed at epoch 7: flat: the amplitude's relative std 4.1e-10",
        "No collapse: stable_sgd and stable_sgd_clip.",
        "stable_large: out of memory: killed at its memory limit of 8 GiB",
        "bit-identical final weights although their plans differ",
        "gpus = 1, and no GPU is here: the arms ran on the CPU",
    ],
)
def test_every_page_says_what_came_out(pages, name, told):
    text = " ".join("".join(Page(pages[name]).text).split()) if "html" in name else pages[name]
    assert told in text


def test_the_summary_s_tables_are_regular(pages):
    for table in tables(pages["summary.md"]) + tables(pages["README.md"]):
        assert len({len(row) for row in table}) == 1


def test_the_summary_begins_with_the_knobs_that_differ(pages):
    differing, *_ = tables(pages["summary.md"])
    assert differing[0] == [
        "arm",
        "train.batch_size",
        "train.clip.kind",
        "train.clip.max_norm",
        "train.optimizer.betas",
        "train.optimizer.kind",
        "train.optimizer.momentum",
        "train.optimizer.weight_decay",
    ]
    assert differing[1] == ["stable_sgd", "16", "none", "—", "—", "sgd", "0.9", "0"]
    assert differing[2][4:6] == [r"\[0.9, 0.999\]", "adamw"]


def test_the_summary_has_a_row_of_measurements_per_arm(pages):
    _, measured_table, *_ = tables(pages["summary.md"])
    assert [row[0] for row in measured_table[1:]] == [
        "stable_sgd",
        "stable_adamw",
        "stable_sgd_clip",
        "stable_large",
        "stable_dropped †",
    ]
    sgd, adamw, _, large, _ = measured_table[1:]
    assert sgd[1:] == [
        "succeeded, read back", "no", "0.02370", "0.02412", "0.8923", "0.06310", "0.9411",
        "0.06120", "4.599", "31 min 14 s",
    ]  # fmt: skip
    assert adamw[1:3] == ["succeeded, read back", "epoch 7: flat"]
    assert large[1:] == ["out of memory", *["—"] * 8, "31 min 14 s"]


def test_the_verdict_gives_measured_value_and_margin(pages):
    *_, verdict = tables(pages["summary.md"])
    assert verdict == [
        ["rule", "stable_sgd", "stable_adamw", "stable_sgd_clip"],
        [
            "amp_ssim &gt;= 0.8",
            "✓ 0.8923 (margin +0.0923)",
            "✗ 0.2771 (margin -0.523)",
            "✓ 0.8923 (margin +0.0923)",
        ],
        [
            "amp_mae &lt;= 0.15",
            "✓ 0.06310 (margin +0.0869)",
            "✗ 0.5131 (margin -0.363)",
            "✓ 0.06310 (margin +0.0869)",
        ],
        ["not collapsed", "✓ not collapsed", "✗ collapsed", "✓ not collapsed"],
    ]


def test_a_rule_that_was_not_measured_is_neither_met_nor_failed(record, hub_folder):
    unknown = RuleRecord(rule="phase_ssim >= 0.5", measured=None, margin=None, holds=None)
    alone = one(record, "stable_sgd", rules=(unknown,))
    assert "| not measured — |" in render("summary.md", make_view(alone), hub_folder)
    assert "The success rules hold for no arm." in [s.text for s in statements(alone)]


def test_a_rule_of_several_parts_shows_what_was_measured_and_what_decides(record, hub_folder):
    rule = parse("amp_ssim >= 0.8 and not collapsed or n_epochs < 3")
    judged = judge([rule], {"amp_ssim": 0.8923, "collapsed": False})
    text = render("summary.md", make_view(one(record, "stable_sgd", rules=judged)), hub_folder)
    assert (
        "| amp_ssim &gt;= 0.8 and not collapsed or n_epochs &lt; 3.0 "
        "| ✓ amp_ssim 0.8923, not collapsed, n_epochs — (margin +0.0923 of amp_ssim &gt;= 0.8) |"
    ) in text


@pytest.mark.parametrize(
    ("rule", "measured", "told"),
    [
        ("not collapsed", False, "✓ not collapsed"),
        ("not unlike_object", True, "✗ unlike the object"),
        ("norm_weight_near_zero", True, "✓ norm weight near zero: yes"),
    ],
)
def test_the_outcome_of_a_flag_is_said_in_words(record, hub_folder, rule, measured, told):
    judged = judge([parse(rule)], {rule.removeprefix("not "): measured})
    view = make_view(one(record, "stable_sgd", rules=judged))
    (row,) = [row for row in tables(render("summary.md", view, hub_folder))[-1] if row[0] != "rule"]
    assert row[1] == told
    assert told[2:] in "".join(Page(render("report.html", view, hub_folder)).text)
    assert told[2:] in render_show(view.record)


def test_an_arm_that_did_not_run_as_planned_meets_no_rule(record):
    met = record.arm("stable_sgd").rules
    dropped = one(record, "stable_dropped", rules=met)
    assert "The success rules hold for no arm." in [s.text for s in statements(dropped)]


@pytest.mark.parametrize("name", ["summary.md", "report.html"])
def test_a_dropped_knob_is_called_out_beside_the_numbers(pages, name):
    text = pages[name]
    place = text.index("stable_dropped did not run as planned")
    heading = "What was measured" if name == "summary.md" else "Metrics"
    assert text.index(heading) < place < text.index("Verdict")
    row = text[place : place + 600]
    assert "train.clip.max_norm" in row
    assert "0.5" in row
    assert "not shown" in row


def test_an_unexpected_and_a_changed_knob_are_worded(record, hub_folder):
    differences = (
        Difference(knob="train.new", kind="unexpected", planned=None, effective=3),
        Difference(knob="train.epochs", kind="different", planned=20, effective=None),
    )
    alone = one(record, "stable_dropped", differences=differences)
    text = render("summary.md", make_view(alone), hub_folder)
    assert "| train.new | not in the plan | 3 |" in text
    assert "| train.epochs | 20 | — |" in text


@pytest.mark.parametrize("name", ["summary.md", "report.html"])
def test_a_score_without_meaning_has_its_reason(pages, name):
    assert (
        "stable_sgd and stable_sgd_clip: no phase_ms_ssim: an image of 41 px has no five"
        in (pages[name])
    )


def test_reasons_that_belong_to_other_epochs_are_left_out(record):
    alone = one(record, "stable_sgd", null_reasons={"best_phase_ssim": "no variance"})
    assert make_view(alone).footnotes == ()


def test_a_shown_score_without_meaning_has_a_footnote(record, hub_folder):
    reason = "the target phase has no variance"
    stats = record.arm("stable_sgd").stats | {"phase_ssim": None, "phase_mae": None}
    alone = one(
        record,
        "stable_sgd",
        stats=stats,
        null_reasons={"phase_ssim": reason, "phase_mae": reason, "phase_psnr": reason},
    )
    text = render("summary.md", make_view(alone), hub_folder)
    assert tables(text)[0][1][7:9] == ["— (1)", "— (1)"]
    assert f"(1) stable_sgd: no phase_ssim, phase_mae and phase_psnr: {reason}." in text


@pytest.mark.parametrize("name", ["summary.md", "report.html"])
def test_a_failed_arm_has_its_message_exit_status_and_log(pages, name):
    text = pages[name]
    section = text[text.index("Failures") :]
    for told in ("stable_large", "8 GiB", "Exit status 137 after 31 min 14 s.", "lr 3.0e-05"):
        assert told in section
    assert "stage_a_arm_stable_large.log" in section


def test_a_single_arm_needs_no_table_of_differences(record, hub_folder):
    text = render("summary.md", make_view(one(record, "stable_sgd")), hub_folder)
    assert "There is one arm" in text
    assert "The arm ran as planned." in text
    assert "Failures" not in text


def test_a_smaller_profile_is_said_to_answer_nothing(record, hub_folder):
    quick = make_view(record.model_copy(update={"profile": "quick"}))
    for name in ("README.md", "summary.md", "report.html"):
        text = " ".join(render(name, quick, hub_folder).split())
        assert "do not answer the" in text
        assert "quick" in text


def test_earlier_phases_stand_beside_this_one(record, hub_folder):
    earlier = one(record, "stable_adamw").model_copy(update={"phase": "phase7"})
    write_reports(record, hub_folder, [earlier])
    text = (hub_folder / "summary.md").read_text()
    differing, measured_table, *_ = tables(text)
    assert differing[-1][0] == measured_table[-1][0] == "phase7 · stable_adamw"
    rows = json.loads((hub_folder / "stage_a_metrics_phase8.json").read_text())
    assert len(rows) == len(record.arms)


def test_an_interrupted_run_and_a_failed_dataset_come_first(record):
    broken = record.datasets[0].model_copy(update={"status": "failed", "message": "no space left"})
    texts = [
        one.text
        for one in statements(
            record.model_copy(update={"interrupted": True, "datasets": (broken,)})
        )
    ]
    assert texts[0] == "The run was interrupted; what was finished is here."
    assert texts[1] == "The dataset: failed: no space left"


def test_a_run_in_which_nothing_ran_has_its_pages_too(record, hub_folder):
    unknown = record.code.model_copy(
        update={"commit": None, "dirty": None, "diff": None, "note": "there is no git"}
    )
    dataset = record.datasets[0].model_copy(
        update={"status": "could_not_start", "message": "no daemon answers", "files": ()}
    )
    plain_arm = {"parameters": record.arms[0].parameters, "seed": 1, "command": ("x",)}
    arms = tuple(
        ArmRecord(name=name, status="not_run", execution=record.arms[0].execution, **plain_arm)
        for name in ("a", "b")
    )
    nothing = record.model_copy(
        update={
            "arms": arms,
            "datasets": (dataset,),
            "code": unknown,
            "image": None,
            "identical_arms": (),
        }
    )
    write_reports(nothing, hub_folder)
    readme = (hub_folder / "README.md").read_text()
    assert "0 of 2 arms ran as planned." in readme
    assert "| code | there is no git |" in readme
    summary = (hub_folder / "summary.md").read_text()
    assert "Nothing: the arms have one and the same plan." in summary
    assert "No arm left statistics that could be judged." in summary
    Page((hub_folder / "report.html").read_text())
    assert "could not start: no daemon answers" in render_show(nothing)


# --- README --------------------------------------------------------------------------------------


def test_the_readme_names_seed_shared_parameters_and_origin(pages):
    text = pages["README.md"]
    assert "Seed of the phase: **20260128**" in text
    assert "| train.learning_rate | 0.0003 |" in text
    assert "| train.batch_size |" not in text
    assert f"| code | {'7' * 40}, with uncommitted changes |" in text
    assert "| engine | docker, each arm isolated |" in text
    assert (
        "![stable_sgd: reconstruction, ground truth and error](arms/stable_sgd/recon.png)" in text
    )


def test_an_engine_that_does_not_isolate_is_said_to_not(record, hub_folder):
    process = record.engine.model_copy(update={"name": "process", "isolated": False})
    view = make_view(record.model_copy(update={"engine": process}))
    assert "| engine | process, not isolated |" in render("README.md", view, hub_folder)


def test_limits_that_a_daemon_could_not_hold_arms_to_are_said(record, hub_folder):
    rootless = record.engine.model_copy(update={"facts": {"not_enforced": ["memory", "pids"]}})
    view = make_view(record.model_copy(update={"engine": rootless}))
    told = "| engine | docker, each arm isolated, but nothing held it to: memory, pids |"
    assert told in render("README.md", view, hub_folder)


def test_the_packages_are_identified_with_and_without_an_image(record):
    found = {"python": "3.11.7", "packages_sha256": "f" * 64}
    engine = record.engine.model_copy(update={"facts": found})
    told = dict(facts(record.model_copy(update={"engine": engine, "image": None})))
    assert (told["Python"], told["digest of packages"]) == ("3.11.7", "f" * 64)
    assert dict(facts(record))["digest of packages"] == "e" * 64


def test_a_file_that_is_not_in_the_diff_is_named(record, hub_folder):
    code = record.code.model_copy(update={"withheld": (".env: its name looks like a secret's",)})
    view = make_view(record.model_copy(update={"code": code}))
    assert "Not committed and not in the diff: .env" in render("README.md", view, hub_folder)


def scripts(text):
    return re.findall(r"```sh\n(.*?)\n```", text, re.DOTALL)


def test_the_lines_that_verify_a_hub_work_in_it(record, hub_folder, tmp_path):
    write_reports(record, hub_folder)
    staging = layout.Staging(path=hub_folder, final=tmp_path / "sealed")
    sealed = staging.seal()
    line, command, again, _ = scripts((sealed / "README.md").read_text())
    assert subprocess.run(["sh", "-c", line], cwd=sealed, check=True).returncode == 0
    assert (command, again) == ("phasehub verify .", "phasehub reproduce .")
    (sealed / "summary.md").chmod(0o644)
    (sealed / "summary.md").write_text("changed")
    changed = subprocess.run(["sh", "-c", line], cwd=sealed, check=False, capture_output=True)
    assert changed.returncode == 1


EXPERIMENT = """
import json, os, sys
_, verb, _, job, _, out = sys.argv
assert os.environ["OMP_NUM_THREADS"] == "2"
text = open(job).read()
if verb == "simulate":
    for name in ("metadata.json", "test.npz", "train.npz"):
        open(f"{out}/{name}", "w").write(name)
else:
    data = os.path.join(os.path.dirname(job), "../data/train.npz")
    open(f"{out}/model.pt", "w").write(text + open(data).read())
"""


@pytest.mark.parametrize("holds_data", [False, True])
@pytest.mark.parametrize("agrees", [True, False])
def test_the_recipe_repeats_an_arm_without_a_container(
    record, hub_folder, tmp_path, holds_data, agrees
):
    checkout = tmp_path / "checkout"
    (checkout / "models").mkdir(parents=True)
    (checkout / "models" / "__main__.py").write_text(EXPERIMENT)
    (hub_folder / "dataset").mkdir()
    (hub_folder / "dataset" / "job.json").write_text("simulate this")
    (hub_folder / "arms/stable_sgd/job.json").write_text("train this ")
    (hub_folder / "arms/stable_sgd/model.pt").write_text(
        "train this train.npz" if agrees else "something else"
    )
    names = ("metadata.json", "test.npz", "train.npz")
    files = tuple(
        FileRecord(path=name, sha256=sha256_bytes(name.encode()), bytes=9, deterministic=True)
        for name in names
    )
    for name in names if holds_data else ():
        (hub_folder / "dataset" / name).write_text(name)
    model = record.arm("stable_sgd").files[0]
    local = one(record, "stable_sgd", files=(model,)).model_copy(
        update={
            "image": None,
            "datasets": (record.datasets[0].model_copy(update={"files": files}),),
        }
    )
    page = render("README.md", make_view(local), hub_folder)
    assert "In this folder, with `checkout` set to the checkout" in page
    *_, script = scripts(page)
    assert ("simulate" in script) is not holds_data
    assert "docker" not in script
    script = script.replace("checkout=/path/to/phasehub", f"checkout='{checkout}'")
    done = subprocess.run(
        ["bash", "-euc", script], cwd=hub_folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) is agrees, done.stderr
    assert ("differ" in done.stdout) is not agrees


def test_the_recipe_for_a_container_is_hardened_and_valid_shell(record, hub_folder, pages):
    *_, script = scripts(pages["README.md"])
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    simulate, train = script.split("docker run")[1:]
    for command in (simulate, train):
        for setting in ("--network none", "--read-only", "--cap-drop ALL", "no-new-privileges"):
            assert setting in command
        assert "phasehub:cpu-0123456789ab" in command
    assert '"$hub/dataset:/job:ro"' in simulate
    assert '"$try/data:/data:ro"' in train
    assert "--gpus" not in script
    assert "for file in model.pt recon.png; do" in script
    gpu = record.arm("stable_sgd").execution.model_copy(update={"device": "cuda"})
    on_gpu = make_view(one(record, "stable_sgd", execution=gpu))
    assert "--gpus all" in render("README.md", on_gpu, hub_folder)


def test_where_nothing_succeeded_nothing_can_be_repeated(record, hub_folder):
    text = render("README.md", make_view(one(record, "stable_large")), hub_folder)
    assert "by hand" not in text


# --- HTML ----------------------------------------------------------------------------------------


def test_the_page_loads_nothing_from_elsewhere(pages):
    page = Page(pages["report.html"])
    for address in page.links:
        assert not re.match(r"[a-z]+:|//|/", address)
    assert page.images
    for image in page.images:
        assert image["src"].startswith("data:image/png;base64,")
    assert "default-src 'none'; img-src data:" in pages["report.html"], "browsers hold it to that"
    assert "@import" not in pages["report.html"]
    assert len(re.findall("<script", unscripted(pages["report.html"]))) == 0
    assert "url(" not in pages["report.html"]
    assert len(page.ids) == len(set(page.ids))


def unscripted(text):
    """A page without its one script, which must be the one that its policy allows."""
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    (content,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert content.split("; ") == [
        "default-src 'none'", "img-src data:", "style-src 'unsafe-inline'",
        f"script-src 'sha256-{digest}'",
    ]  # fmt: skip
    return text.replace(f"<script>{script}</script>", "")


def test_a_value_inside_of_a_page_is_json_and_no_markup():
    value = {"</script>": ["<!--", "&amp;", "\u2028\u2029", 1.5, None, '"']}
    text = data(value)
    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029]", text)


def test_every_link_of_the_pages_leads_to_a_file_of_the_hub(record, hub_folder):
    for name in ("manifest.toml", "plan.json", "hub.json", "environment.json"):
        (hub_folder / name).write_text("{}")
    for arm in record.arms:
        (hub_folder / arm.log).write_text("all is computed")
    write_reports(record, hub_folder)
    page = Page((hub_folder / "report.html").read_text())
    links = {link for link in page.links if not link.startswith("#")}
    assert {link for link in page.links if link not in links} <= {f"#{one}" for one in page.ids}
    for name in ("README.md", "summary.md"):
        links |= set(re.findall(r"\]\(([^)]+)\)", (hub_folder / name).read_text()))
    assert len(links) > 10
    assert {arm.log for arm in record.arms} < links
    assert [link for link in sorted(links) if not (hub_folder / link).read_bytes()] == []


def test_a_log_that_is_empty_is_said_to_be_and_not_linked(record, hub_folder):
    (hub_folder / record.arm("stable_large").log).touch()
    write_reports(record, hub_folder)
    for name, told in {
        "report.html": "Its log, stage_a_arm_stable_large.log, is empty",
        "summary.md": "its log (stage_a_arm_stable_large.log, which is empty)",
        "README.md": "| arms/stable_large | empty |",
    }.items():
        text = (hub_folder / name).read_text()
        assert told in text
        assert 'href="stage_a_arm' not in text
        assert "](stage_a_arm" not in text


def test_every_reconstruction_is_shown_with_a_text_in_its_place(pages):
    images = Page(pages["report.html"]).images
    assert [image["alt"].partition(":")[0] for image in images] == [
        "stable_sgd", "stable_adamw", "stable_sgd_clip",
    ]  # fmt: skip
    inside = base64.b64encode(PIXEL).decode()
    assert {image["src"].partition(",")[2] for image in images} == {inside}


def test_question_answer_picture_and_table_stand_in_this_order(record, hub_folder):
    plot = FileRecord(path="scores.png", sha256="0" * 64, bytes=1, deterministic=True)
    summary = SummaryRecord(status="succeeded", files=(plot,))
    (hub_folder / "scores.png").write_bytes(PIXEL)
    for told in (record, record.model_copy(update={"summary": summary})):
        text = render("report.html", make_view(told), hub_folder)
        body = text[text.index("<body>") :]
        places = [
            body.index(sign)
            for sign in (record.question, "stable_adamw collapsed at", "<figure>", "<table")
        ]
        assert places == sorted(places)
        if told.summary:
            assert body[places[2] :].index("scores of every run") < places[3]


def test_of_many_cautions_the_first_are_open_and_the_others_folded(record, hub_folder):
    view = dataclasses.replace(
        make_view(record), comparability_notes=tuple(f"reason {n}" for n in range(9))
    )
    text = render("report.html", view, hub_folder)
    before, _, folded = text.partition("6 more reasons why arms are not alike</summary>")
    assert [f"reason {n}" in before for n in range(9)] == [True] * 3 + [False] * 6
    assert [f"reason {n}" in folded.partition("</details>")[0] for n in range(9)] == (
        [False] * 3 + [True] * 6
    )


def test_every_table_is_in_a_frame_that_the_keyboard_reaches(pages):
    text = pages["report.html"]
    frames = Page(text).frames
    assert len(frames) == text.count("<table") + text.count('<svg class="timeline"')
    assert all(frame["tabindex"] == "0" and frame["aria-label"] for frame in frames)


def test_a_page_tells_how_large_it_is(pages):
    size = len(pages["report.html"].encode()) / 1e6
    assert f"This page is one file of {size:.1f} MB" in pages["report.html"]
    assert "3 pictures are inside" in pages["report.html"]


@pytest.mark.parametrize("name", ["README.md", "summary.md", "report.html"])
def test_every_page_says_how_to_reproduce(pages, name):
    assert "phasehub verify ." in pages[name]
    assert "phasehub reproduce ." in pages[name]


def test_what_an_arm_kept_of_its_collapse_is_shown(record, hub_folder):
    names = ("grad_hist_before_collapse.png", "grad_hist_at_collapse.png")
    flat = record.arm("stable_adamw")
    files = tuple(flat.files[1].model_copy(update={"path": name}) for name in names)
    for name in names:
        (hub_folder / "arms/stable_adamw" / name).write_bytes(PIXEL)
    view = make_view(one(record, "stable_adamw", files=files))
    text = render("report.html", view, hub_folder)
    shown = [image["alt"] for image in Page(text).images]
    assert shown == [
        "stable_adamw: gradients of every tensor, with the weights before the epoch of the "
        "collapse",
        "stable_adamw: gradients of every tensor, with the weights after it",
    ]
    assert "collapsed: epoch 7: flat</span></figcaption>" in text
    assert set(Page(text).links) > {f"arms/stable_adamw/{name}" for name in names}
    summary = render("summary.md", view, hub_folder)
    assert "### What arms kept of their collapse" in summary
    assert [f"](arms/stable_adamw/{name})" in summary for name in names] == [True, True]


def test_where_it_is_from_is_told_with_the_file_that_has_all_of_it(record, hub_folder):
    machine = {"cpu": {"model": "Cray-1", "usable_cores": 1}, "memory_bytes": 2**33}
    (hub_folder / "environment.json").write_text(json.dumps({"machine": machine}))
    (hub_folder / "arms/stable_sgd/environment.json").write_text('{"torch": {"version": "2.13"}}')
    text = render("report.html", make_view(record), hub_folder)
    for told in (
        '<dt>machine</dt><dd>1 cores of Cray-1, 8 GiB of memory, no GPU <a class="from" '
        'href="environment.json">',
        '<dt>torch</dt><dd>2.13 <a class="from" href="arms/stable_sgd/environment.json">',
        '<dt>engine</dt><dd>docker, each arm isolated <a class="from" href="hub.json">',
    ):
        assert told in text


def test_the_picture_of_an_arm_that_did_not_run_as_planned_says_so(record, hub_folder):
    files = record.arm("stable_sgd").files
    view = make_view(one(record, "stable_dropped", files=files))
    assert "did not run as planned</span></figcaption>" in render("report.html", view, hub_folder)


EVIL = '<script>alert(1)</script> | `x` **b** [l](http://e) \x1b[31mred\x1b[0m\nnext & "q"'


@pytest.fixture
def hostile(record):
    """A record with a hostile text wherever an arm or a manifest can put one."""
    arm = record.arm("stable_dropped").model_copy(
        update={
            "message": EVIL,
            "log_tail": (EVIL, "```", "````text"),
            "differences": (Difference(knob=EVIL, kind="different", planned=EVIL, effective=EVIL),),
            "null_reasons": {EVIL: EVIL, "amp_ssim": EVIL},
            "stats": {"amp_ssim": None, "amp_mae": EVIL},
            "collapsed": True,
            "collapse_reason": EVIL,
        }
    )
    return record.model_copy(
        update={"title": EVIL, "question": EVIL, "notes": (EVIL,), "arms": (arm,)}
    )


def test_nothing_that_is_told_becomes_markup_of_the_page(hostile, hub_folder):
    text = render("report.html", make_view(hostile), hub_folder)
    assert "<script" not in unscripted(text)
    assert "alert(1)" in "".join(Page(text).text)


@pytest.mark.parametrize("name", ["README.md", "summary.md"])
def test_nothing_that_is_told_becomes_markup_of_markdown(hostile, hub_folder, name):
    text = render(name, make_view(hostile), hub_folder)
    outside = re.sub(r"^(`{3,})text\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "alert(1)" in outside
    assert "<script" not in outside
    assert "**b**" not in outside
    assert "[l](http" not in outside
    assert "\x1b" not in text
    for table in tables(outside):
        assert len({len(row) for row in table}) == 1


# --- the metrics table ---------------------------------------------------------------------------


def test_every_arm_has_a_row_with_the_same_keys(record):
    rows = metrics_rows(record)
    assert [row["arm"] for row in rows] == [arm.name for arm in record.arms]
    assert len({frozenset(row) for row in rows}) == 1
    assert set(STATS) < set(rows[0])
    assert {"wall_s", "steps_per_s", "peak_memory_bytes", "architecture", "seed"} < set(rows[0])


def test_a_row_holds_what_the_arm_measured_without_rounding(record):
    sgd, adamw, _, large, _ = metrics_rows(record)
    stats = record.arm("stable_sgd").stats
    assert {name: sgd[name] for name in stats} == stats
    assert sgd["steps_per_s"] == 4.5991
    assert (adamw["collapsed"], adamw["collapse_epoch"]) == (True, 7)
    assert (large["status"], large["amp_ssim"], large["wall_s"]) == ("out_of_memory", None, None)


def test_a_statistic_cannot_pass_for_what_the_arm_is(record):
    stats = {"arm": "other", "status": "succeeded", "profile": "full", "mine": 1}
    (row,) = metrics_rows(one(record, "stable_large", stats=stats))
    assert (row["arm"], row["status"], row["profile"], row["mine"]) == (
        "stable_large",
        "out_of_memory",
        None,
        1,
    )


# --- the console ---------------------------------------------------------------------------------


def test_showing_a_hub_says_outcome_tables_verdict_and_origin(record):
    text = render_show(record)
    for told in (
        "phase8: Optimizer sweep and activation diagnostics",
        "! stable_adamw collapsed at epoch 7",
        "train.optimizer.kind          sgd         adamw ",
        "amp_ssim >= 0.8  holds: 0.8923         fails: 0.2771     holds: 0.8923",
        "not collapsed    holds: not collapsed  fails: collapsed  holds: not collapsed",
        "stable_large: out of memory; the end of its log:",
        "(1) stable_sgd and stable_sgd_clip: no phase_ms_ssim",
        "docker, each arm isolated",
    ):
        assert told in text


def test_showing_a_hub_sends_no_terminal_codes(hostile):
    assert "\x1b" not in render_show(hostile)


def test_the_list_has_date_and_title_of_each_hub_and_names_what_cannot_be_read(record, tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    layout.write_record(good, record)
    (bad / "hub.json").write_text("{}")
    head, first, title, second = render_list([good, bad]).splitlines()
    assert head.split() == ["hub", "date", "succeeded", "rules", "collapsed"]
    assert first.split() == [
        str(good), "2026-01-30", "3", "of", "5", "2", "of", "3", "stable_adamw"
    ]  # fmt: skip
    assert title == "  Optimizer sweep and activation diagnostics"
    assert f"{bad}" in second
    assert "broken: " in second


def test_a_title_in_the_list_leaves_room_for_the_profile(record, tmp_path):
    layout.write_record(tmp_path, record.model_copy(update={"title": "x" * 99, "profile": "quick"}))
    *_, title = render_list([tmp_path]).splitlines()
    assert title == f"  {'x' * 61}… (profile quick)"
    assert len(title) == 80


def test_an_empty_list_says_what_to_do():
    assert render_list([]) == "no sealed hubs here; `phasehub run MANIFEST` makes one"
