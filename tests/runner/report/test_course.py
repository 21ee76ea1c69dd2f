"""The course of a run is what its journal says: when, where, after which wait, how often."""

import json

import pytest

from runner.hub.journal import under_way
from runner.report.course import course
from runner.report.pages import render
from runner.report.timeline import LEFT, WIDTH, timeline
from runner.report.view import make_view

ZERO = 1769749200.0
"""When the run of the fixture began."""


def line(at, event, name="", **facts):
    named = {"name": name} if name else {}
    return json.dumps({"time": ZERO + at, "event": event, **named, **facts})


def job(name, begin, end, *, attempt=1, status="succeeded", gpu_ids=()):
    return [
        line(begin, "intended", name, attempt=attempt),
        line(begin, "started", name, handle={"gpu_ids": list(gpu_ids), "id": "1:2"}),
        line(end, "ended", name, status=status, exit_code=0),
    ]


def write(folder, *lines):
    ordered = sorted(lines, key=lambda one: json.loads(one)["time"])
    (folder / "journal.jsonl").write_text("\n".join([line(0, "planned"), *ordered, ""]))


def spans(found):
    return {
        lane.name: [
            (one.kind, one.start_s, one.end_s, one.waited_s, one.attempt, one.status, one.place)
            for one in lane.spans
        ]
        for lane in found.lanes
    }


def test_a_start_that_was_put_off_is_no_attempt_and_nothing_is_under_way(record, hub_folder):
    write(
        hub_folder,
        *job("dataset", 1, 10),
        line(20, "intended", "stable_sgd"),
        line(21, "postponed", "stable_sgd"),
        line(22, "intended", "stable_adamw"),
        *job("stable_sgd", 30, 100),
        line(100, "concluded", "stable_sgd"),
        line(101, "intended", "stable_large"),
        line(102, "postponed", "stable_large"),
    )
    (one,) = spans(course(record, hub_folder))["stable_sgd"]
    assert one[1:3] == (30, 100)
    assert under_way(hub_folder) == ["dataset", "stable_adamw"]


def test_places_waits_and_further_attempts_are_those_of_the_journal(record, hub_folder):
    write(
        hub_folder,
        *job("dataset", 1, 10),
        *job("stable_sgd", 20, 100),
        *job("stable_adamw", 20, 60, status="interrupted"),
        *job("stable_adamw", 64, 160, attempt=2),
        *job("stable_sgd.audit", 110, 150),
        *job("stable_large", 160, 300, status="out_of_memory"),
        *job("stable_sgd_clip", 30, 90, gpu_ids=("GPU-0123456789abcdef", "GPU-1")),
    )
    found = course(record, hub_folder)
    first, second = "CPU place 1", "CPU place 2"
    assert found.length_s == 4200
    assert spans(found) == {
        "dataset": [("other", 1, 10, 0, 1, "succeeded", first)],
        "stable_sgd": [
            ("arm", 20, 100, 0, 1, "succeeded", first),
            ("audit", 110, 150, 10, 1, "succeeded", first),
        ],
        "stable_adamw": [
            ("arm", 20, 60, 0, 1, "interrupted", second),
            ("arm", 64, 160, 4, 2, "succeeded", second),
        ],
        "stable_large": [("arm", 160, 300, 140, 1, "out_of_memory", first)],
        "stable_sgd_clip": [
            ("arm", 30, 90, 10, 1, "succeeded", "GPU GPU-0123456789ab + GPU GPU-1")
        ],
    }
    table = {
        row[0].text: [cell.text for cell in row] for row in timeline(record, hub_folder).table.rows
    }
    assert table["stable_large"] == [
        "stable_large", first, "out of memory", "2 min 40 s", "2 min 20 s", "2 min 20 s", "1", "—",
        "2", "—",
    ]  # fmt: skip
    assert table["stable_adamw"][4:7] == ["4.0 s", "2 min 16 s", "2"]
    assert table["stable_sgd"][7:] == ["40.0 s", "2", "2.00 GiB"]


def test_the_drawing_has_boxes_where_the_times_are(record, hub_folder):
    write(
        hub_folder,
        *job("stable_sgd", 0, 2100),
        *job("stable_adamw", 1050, 4200, status="interrupted"),
    )
    drawn = timeline(record, hub_folder)
    boxes = {lane.name: lane.boxes for lane in drawn.lanes}
    (first,), (wait, last) = boxes["stable_sgd"], boxes["stable_adamw"]
    assert [first.kind, wait.kind, last.kind] == ["arm", "wait", "failed"]
    assert [lane.is_bad for lane in drawn.lanes] == [False, True]
    edges = [(box.x, box.x + box.width) for box in (first, wait, last)]
    assert edges == [
        (LEFT, LEFT + WIDTH / 2),
        (LEFT, LEFT + WIDTH / 4),
        (LEFT + WIDTH / 4, LEFT + WIDTH),
    ]
    at = {text: x for x, text in drawn.ticks}
    assert at["0"] == LEFT
    assert at["1 h"] == pytest.approx(LEFT + WIDTH * 3600 / 4200, abs=0.1)


def test_a_run_that_was_gone_on_with_shows_the_time_without_a_process(record, hub_folder):
    write(
        hub_folder,
        *job("stable_sgd", 10, 50),
        *job("stable_adamw", 10, 500)[:2],
        line(400, "resumed"),
        *job("stable_adamw", 410, 500, attempt=2),
    )
    found = course(record, hub_folder)
    assert found.gaps == ((50, 400),)
    assert spans(found)["stable_adamw"] == [
        ("arm", 10, 50, 0, 1, "", "CPU place 2"),
        ("arm", 410, 500, 360, 2, "succeeded", "CPU place 1"),
    ]
    text = render("report.html", make_view(record), hub_folder)
    assert "<title>no process ran the phase</title>" in text


def test_a_job_that_was_taken_over_goes_on_and_a_clock_that_was_set_back_ends_nothing_early(
    record, hub_folder
):
    write(
        hub_folder,
        *job("stable_sgd", 10, 500)[:2],
        line(400, "resumed"),
        line(401, "adopted", "stable_sgd"),
        line(500, "ended", "stable_sgd", status="succeeded"),
    )
    assert spans(course(record, hub_folder))["stable_sgd"] == [
        ("arm", 10, 500, 0, 1, "succeeded", "CPU place 1")
    ]
    (hub_folder / "journal.jsonl").write_text(
        "\n".join(job("stable_sgd", 10, -3600) + job("stable_adamw", -3500, -3400))
    )
    for lane in course(record, hub_folder).lanes:
        assert all(0 <= one.start_s <= one.end_s for one in lane.spans)


def test_a_hub_without_a_journal_has_what_the_record_of_its_arms_says(record, hub_folder):
    found = course(record, hub_folder)
    assert not found.has_journal
    assert {lane.name for lane in found.lanes} == {arm.name for arm in record.arms}
    assert {lane.spans[0].start_s for lane in found.lanes} == {31}
    text = render("report.html", make_view(record), hub_folder)
    assert "by the record of each arm's last attempt" in " ".join(text.split())
    never = [arm.model_copy(update={"started": None}) for arm in record.arms]
    unknown = record.model_copy(update={"arms": tuple(never)})
    assert course(unknown, hub_folder) is None
    assert "Timeline of the run" not in render("report.html", make_view(unknown), hub_folder)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\n[1]\n{}\nnull\n",
        b'{"time":"now","event":"intended","name":"a"}\n',
        b'{"time":1e300,"event":"intended","name":"a"}\n',
        b'{"time":1,"event":"ended","name":"a"}\n{"time":2,"event":"started","name":"b"}\n',
        b'{"time":1,"event":"intended","name":"a","handle":{"gpu_ids":{}}}\n',
    ],
)
def test_a_journal_of_another_kind_says_nothing(record, hub_folder, content):
    (hub_folder / "journal.jsonl").write_bytes(content)
    assert not course(record, hub_folder).has_journal


def test_names_in_a_journal_become_no_markup(record, hub_folder):
    evil = "</title></svg><script>alert(1)</script>"
    write(hub_folder, *job(evil, 1, 2, status=evil, gpu_ids=[evil]))
    text = render("report.html", make_view(record), hub_folder)
    assert evil not in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_of_many_arms_the_drawing_has_the_first_and_the_table_all(record, hub_folder):
    write(hub_folder, *(one for n in range(200) for one in job(f"job{n}", n, n + 1)))
    found = timeline(record, hub_folder)
    assert (len(found.lanes), found.num_left_out, len(found.table.rows)) == (80, 120, 200)
    assert all(0 <= box.x + box.width <= found.width for lane in found.lanes for box in lane.boxes)
