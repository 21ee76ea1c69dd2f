"""The pages of phases with seeds: rates, medians, comparisons in words, and large matrices."""

import json
import re
from functools import partial
from html.parser import HTMLParser

import numpy as np
import pytest

from models.sheet import COLUMN, PAGE, style
from models.summary.comparisons import Group
from models.summary.curves import plot_learning_rates, plot_losses
from models.summary.design import by_name
from models.summary.document import statistics as computed
from models.summary.figure import choose
from models.summary.runs import Run
from models.summary.scores_plot import plot_scores
from runner.core.digest import pretty_json
from runner.experiment.ptychography.results import COMMON
from runner.hub.records.base import FileRecord
from runner.hub.records.beside import SummaryRecord
from runner.hub.records.provenance import ComparedHub
from runner.report import write_reports
from runner.report.groups import evidence_statements, groups_view
from runner.report.hub_text import render_show
from runner.report.view import MOST_ARMS, make_view
from runner.verify.groups import summary_of
from runner.verify.sealed_hub import NamedHub
from runner.verify.statistics import Statistics
from tests.runner.conftest import PIXEL

PLOTS = ("losses.png", "scores.png")


def statistics_of(*records, own=True):
    """What the job at the end of a phase would say of some records."""
    hubs = [NamedHub(name=f"{record.phase}/{i}", record=record) for i, record in enumerate(records)]
    summary = summary_of(hubs, own=own)
    runs = runs_of(*records, own=own)
    return Statistics.model_validate(json.loads(json.dumps(computed(summary, runs, 1))))


def runs_of(*records, own=True):
    """The arms of some records as that job sees them."""
    hubs = [NamedHub(name=f"{record.phase}/{i}", record=record) for i, record in enumerate(records)]
    summary = summary_of(hubs, own=own)
    arms = {(source.name, arm.name): arm for source in hubs for arm in source.record.arms}
    empty = dict.fromkeys(("step", "pre_clip", "post_clip"), np.array([]))
    course = dict.fromkeys(("train_loss", "val_loss", "learning_rate"), np.linspace(0.2, 0.1, 9))
    return [
        Run(
            group=place, name=arm.name, seed=arm.seed, history=course, frc=(), activations={},
            stats=arms[group.hub, arm.name].stats, gradients=empty,
        )
        for place, group in enumerate(summary.groups)
        for arm in group.arms
        if arm.status == "succeeded"
    ]  # fmt: skip


@pytest.fixture
def matrix(record):
    """A hub: decoder norm against learning rate, so many seeds, most of one cell collapsed."""

    def make(num_seeds=5, num_flat=4):
        arms = []
        for norm in ("none", "instance"):
            for rate in (2e-3, 2e-2):
                for seed in range(1, num_seeds + 1):
                    flat = norm == "none" and rate > 1e-2 and seed <= num_flat
                    like = record.arms[1 if flat else 0]
                    plan = json.loads(json.dumps(like.parameters))
                    plan["model"]["decoder_norm"] = norm
                    plan["train"] = {**record.arms[0].parameters["train"], "learning_rate": rate}
                    name = f"{norm}-lr{rate:g}-s{seed}"
                    update = {"name": name, "seed": seed, "parameters": plan, "log": None}
                    update |= {"final_weights_sha256": f"{len(arms):064d}"}
                    arms.append(like.model_copy(update=update))
        plots = tuple(
            FileRecord(path=name, sha256="0" * 64, bytes=1, deterministic=True) for name in PLOTS
        )
        return record.model_copy(
            update={
                "phase": "phase10", "arms": tuple(arms), "identical_arms": (),
                "summary": SummaryRecord(status="succeeded", files=plots),
            }
        )  # fmt: skip

    return make


@pytest.fixture
def pages(tmp_path):
    """Writes the pages of a record and gives their texts back."""
    for name in PLOTS:
        (tmp_path / name).write_bytes(PIXEL)

    def write(record, *earlier, statistics=True):
        if statistics:
            table = statistics_of(record, *earlier).model_dump(mode="json")
            (tmp_path / "statistics.json").write_bytes(pretty_json(table))
        write_reports(record, tmp_path, earlier)
        return {
            name: (tmp_path / name).read_text()
            for name in ("README.md", "summary.md", "report.html")
        }

    return write


def rows(text, first):
    """Cells of the rows that begin with ``first``."""
    return [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith(f"| {first} |")
    ]


def test_a_group_has_its_rate_with_an_interval_and_its_medians(matrix, pages):
    text = pages(matrix())["summary.md"]
    rate, every, sound, *_ = rows(text, "none-lr0.02")
    assert rate == ["none-lr0.02", "4 of 5", "0.80 (0.38 to 0.96)", "none", "0.02"]
    assert every[1:5] == [
        "all 5", r"0.02370 \[0.02370, 0.02370\]", r"0.1978 \[0.1978, 0.1978\]",
        r"0.2771 \[0.2771, 0.2771\]",
    ]  # fmt: skip
    assert sound[1:4] == ["the 1 not collapsed", "0.02370", "0.02412"]


def test_a_group_in_which_nothing_collapsed_has_one_row_of_medians(matrix, pages):
    text = pages(matrix())["summary.md"]
    rate, every, *rest = rows(text, "instance-lr0.02")
    assert rate[1:3] == ["0 of 5", "0.00 (0.00 to 0.43)"]
    assert every[1] == "all 5"
    assert rest == []


def test_a_knob_is_shown_over_all_others_and_at_each_of_their_settings(matrix, pages):
    text = pages(matrix())["summary.md"]
    section = text[
        text.index("### model.decoder\\_norm" if "\\_" in text else "### model.decoder_norm") :
    ]
    assert rows(section, "all together")[0][1:] == [
        "4 of 10: 0.40 (0.17 to 0.69)",
        "0 of 10: 0.00 (0.00 to 0.28)",
        "0.0476",
    ]
    assert rows(section, "train.learning_rate 0.02")[0][3] == "0.0476"


def test_comparisons_are_told_in_words_on_both_pages(matrix, pages):
    told = (
        "none-lr0.02: 4 of 5 collapsed, instance-lr0.02: 0 of 5; no evidence of a difference "
        "(Fisher p = 0.0476, adjusted for 6 comparisons"
    )
    written = pages(matrix())
    assert told in written["summary.md"]
    assert told in written["report.html"]
    assert "several at once: cause not separable" in written["summary.md"]


def test_pages_never_say_that_nothing_has_an_effect(matrix, pages):
    for text in pages(matrix()).values():
        assert re.findall(r"no effect", text) == re.findall(
            r"(?<=not the same as .)no effect", text
        )


def test_evidence_is_told_among_the_first_sentences(matrix, pages):
    record = matrix(num_seeds=8, num_flat=8)
    found = [one.text for one in evidence_statements(statistics_of(record))]
    assert found[0].startswith("model.decoder_norm: none: 8 of 16 collapsed, instance: 0 of 16")
    assert "evidence that the rate depends on it" in found[0]
    assert found[0] in pages(record)["README.md"].replace("\\", "")


def test_where_nothing_is_evidence_that_is_told(matrix):
    (only,) = evidence_statements(statistics_of(matrix(num_seeds=3, num_flat=1)))
    assert only.text == (
        "No evidence in any of 6 comparisons that one group collapses more often than another."
    )


def test_one_seed_each_is_told_to_be_no_evidence_either_way(record):
    (only,) = evidence_statements(statistics_of(record))
    assert only.text == (
        "One seed each: no evidence either way that any of these plans collapses more often than "
        "another."
    )


def test_arms_that_do_not_count_are_named_with_their_fate(record, pages):
    text = pages(record)["summary.md"]
    assert "Of stable_large does not count: stable_large (out of memory)." in text
    assert "Of stable_dropped does not count: stable_dropped (not as planned)." in text


def test_in_a_small_phase_arms_come_first_and_in_a_large_one_groups(record, matrix, pages):
    small = pages(record)["summary.md"]
    assert small.index("## What was measured") < small.index("## Over seeds")
    large = pages(matrix())["summary.md"]
    assert large.index("## Over seeds") < large.index("## What differs")


def test_of_many_arms_one_of_each_group_is_pictured_and_the_others_are_linked(matrix):
    record = matrix()
    assert len(record.arms) > MOST_ARMS
    view = make_view(record, statistics=statistics_of(record))
    shown = [picture.arm for picture in view.pictures]
    assert shown == [
        "none-lr0.002-s1",
        "none-lr0.02-s1",
        "instance-lr0.002-s1",
        "instance-lr0.02-s1",
    ]
    assert len(view.hidden_pictures) == 16
    unknown = make_view(record)
    assert len(unknown.pictures) <= MOST_ARMS


def test_the_rules_of_many_arms_have_a_row_for_each_arm(matrix, pages):
    text = pages(matrix())["summary.md"]
    verdict = text[text.index("## Verdict") :]
    (row,) = rows(verdict, "none-lr0.02-s1")
    assert row[1:] == ["✗ 0.2771 (margin -0.523)", "✗ 0.5131 (margin -0.363)", "✗ collapsed"]


def test_with_one_seed_each_the_arms_answer_first(record):
    view = make_view(record, statistics=statistics_of(record))
    assert view.answers[-1].text.startswith("One seed each:")
    assert len(view.answers) > 1


def test_many_collapses_are_told_by_their_number(matrix):
    texts = [one.text for one in make_view(matrix()).statements]
    assert "4 of 20 arms collapsed." in texts
    assert "Collapse by criterion: 4 flat." in texts
    assert "All success rules hold for 16 of 20 arms." in texts


class Tags(HTMLParser):
    """Fails on a tag that is not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "br", "img", "wbr"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_with_groups_is_well_formed_and_shows_the_plots(matrix, pages):
    text = pages(matrix())["report.html"]
    Tags(text)
    for caption in ("scores of every run, by group", "losses, and the decoder"):
        assert re.search(rf'<img src="data:image/png;base64,[^"]+" alt="{caption}', text)
    assert "Fourier ring correlation" not in text


def test_in_a_large_phase_the_first_picture_stands_before_every_table(matrix, pages):
    text = pages(matrix())["report.html"]
    assert text.index("<figure>") < text.index("<table")
    assert text.index("No evidence in any of 6 comparisons") < text.index("<figure>")


def crosses(draw):
    """How many crosses each panel of a plot has, on either sheet."""
    with style():
        panels = [axes for sheet in (PAGE, COLUMN) for axes in draw(sheet).axes if not axes.texts]
    return {sum(line.get_marker() == "x" for line in axes.get_lines()) for axes in panels}


def test_crosses_marked_cells_and_the_record_are_as_many(matrix, pages):
    """The plots draw by the arms' files, the pages by the record: both mark the same arms."""
    record = matrix(num_seeds=20, num_flat=14)
    flat = [arm for arm in record.arms if arm.collapsed]
    assert len(flat) == 14
    runs = runs_of(record)
    labels = [group.label for group in statistics_of(record).groups]
    for plot in (plot_losses, plot_learning_rates):
        assert crosses(partial(plot, choose(runs, labels))) == {14}
    by_label = [
        Group(label=label, runs=tuple(run for run in runs if run.group == place))
        for place, label in enumerate(labels)
    ]
    assert crosses(partial(plot_scores, by_label, by_name(len(labels)))) == {14}
    written = pages(record)
    table = re.search(r'id="measured-table">(.*?)</table>', written["report.html"], re.DOTALL)[1]
    assert table.count('<td class="bad">epoch 7: flat</td>') == 14
    assert table.count('class="bad"') == 14
    assert written["summary.md"].count("| epoch 7: flat |") == 14
    assert written["report.html"].count("<dd>collapsed: flat: the amplitude") == 14


def test_of_each_kind_of_picture_a_group_shows_the_first_that_it_has(matrix):
    """What only some arms have is shown, too, although none of them is the first of its group."""
    record = matrix()
    late = record.arms[9]
    assert late.collapsed is False
    picture = late.files[1].model_copy(update={"path": "grad_hist_at_collapse.png"})
    late = late.model_copy(update={"files": (*late.files, picture)})
    arms = tuple(late if arm.name == late.name else arm for arm in record.arms)
    changed = record.model_copy(update={"arms": arms})
    view = make_view(changed, statistics=statistics_of(changed))
    shown = [(one.arm, one.name) for one in view.pictures if one.name != "recon.png"]
    assert shown == [(late.name, "grad_hist_at_collapse.png")]


def test_of_many_failures_the_first_are_told_and_the_rest_is_folded(matrix, pages):
    record = matrix()
    lost = {"status": "timed_out", "message": "too slow", "log_tail": ("epoch 0",), "stats": {}}
    arms = tuple(arm.model_copy(update=lost) for arm in record.arms[:15]) + record.arms[15:]
    text = pages(record.model_copy(update={"arms": arms}), statistics=False)["report.html"]
    Tags(text)
    assert "5 of 20 arms ran as planned." in text
    assert text.count("timed out: too slow</li>") == 15
    told = text[: text.index("<figure>")]
    assert re.search(r"<details><summary>\d+ more</summary>", told)
    assert "15 arms: message, exit status and log of each" in text


def test_comparisons_are_a_table_with_drawn_intervals(matrix, pages):
    text = pages(matrix(num_seeds=8, num_flat=8))["report.html"]
    table = re.search(r'aria-label="Comparisons of two groups">(.*?)</table>', text, re.DOTALL)[1]
    body = table[table.index("<tbody>") :]
    assert body.count("<tr>") == 6
    assert body.count('<svg class="interval"') == 6
    assert '<td class="number">8 of 8</td><td class="number">0 of 8</td>' in body
    assert '<td class="good">yes</td>' in body


def test_tables_of_the_summary_with_groups_are_regular(matrix, pages):
    text = pages(matrix())["summary.md"]
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block


def test_cautions_stand_with_the_tables_on_every_page(matrix, record, pages):
    facts = ComparedHub(
        name="phase8/1", phase="phase8", profile=None, checksums_sha256="a" * 64, problem=""
    )
    earlier = record.model_copy(update={"profile": "quick"})
    own = matrix().model_copy(update={"compared": (facts,)})
    told = "phase8 is another size of experiment: profile quick there, the phase as written here."
    written = pages(own, earlier)
    for text in written.values():
        assert told in " ".join(text.split())
    summary = written["summary.md"]
    measured = summary.index("## What was measured")
    assert measured < summary.index(told, measured) < summary.index("| arm | outcome", measured)


def test_statistics_that_cannot_be_used_are_a_note(record, pages, tmp_path):
    (tmp_path / "statistics.json").write_text('{"schema_version": 2}')
    text = pages(record, statistics=False)["summary.md"]
    assert "the statistics over arms cannot be used: statistics.json: schema_version" in text
    assert "## Over seeds" not in text


def test_a_page_shows_so_many_comparisons_and_says_where_the_others_are(matrix, monkeypatch, pages):
    monkeypatch.setattr("runner.report.groups.MOST_COMPARISONS", 2)
    record = matrix()
    shown = groups_view(statistics_of(record), "phase10", [stat for _, stat in COMMON]).comparisons
    assert len(shown) == 2
    assert "2 of 6, those that show something first" in pages(record)["summary.md"]


def test_showing_a_hub_tells_the_groups_before_the_arms(matrix):
    record = matrix()
    text = render_show(record, statistics_of(record))
    assert re.search(r"none-lr0.02 +4 of 5 +0.80 \(0.38 to 0.96\)", text)
    assert text.index("across seeds") < text.index("\nmetrics")
    assert "No evidence in any of 6 comparisons" in text
    assert "across seeds" not in render_show(record)


def test_many_arms_stand_below_each_other_on_the_console(matrix):
    lines = render_show(matrix()).splitlines()
    assert sum(line.startswith("none-lr0.02-s1 ") for line in lines) == 3
    assert max(map(len, lines)) < 180
