"""A page made afresh says what the sealed one says, leads to the hub, and changes nothing."""

import json
import re
import shutil

import pytest

from runner.commands.report import ReportRequest, report
from runner.core.digest import tree_digest
from runner.core.errors import ExportError, VerificationError
from runner.hub import layout
from runner.report import write_reports


def seal(record, folder, final):
    """A hub of a record, with a history for each arm that has a folder."""
    final.parent.mkdir(parents=True)
    staging = shutil.copytree(folder, final.with_name("staging"))
    for place, arm in enumerate(record.arms):
        history = {"train_loss": [2.0, 1.0, 0.5 + place]}
        (staging / "arms" / arm.name / "history.json").write_text(json.dumps(history))
        (staging / arm.log).write_text("all is computed")
    (staging / "journal.jsonl").write_text('{"event":"planned","time":1}\n')
    for name in ("manifest.toml", "plan.json", "environment.json"):
        (staging / name).write_text("{}")
    write_reports(record, staging)
    layout.write_record(staging, record)
    return layout.Staging(path=staging, final=final).seal()


@pytest.fixture
def hub(record, hub_folder, tmp_path):
    return seal(record, hub_folder, tmp_path / "artifacts" / "phase8" / "2026-01-30T050000Z")


@pytest.fixture
def other(record, hub_folder, tmp_path):
    renamed = record.model_copy(update={"phase": "phase9", "title": "<b>Nine</b>"})
    return seal(renamed, hub_folder, tmp_path / "artifacts" / "phase9" / "2026-02-30T050000Z")


def made(tmp_path, *hubs):
    out = tmp_path / "pages of mine" / "new.html"
    before = [tree_digest(one) for one in hubs]
    assert report(ReportRequest(hubs=hubs, out=out)) == out
    assert [tree_digest(one) for one in hubs] == before
    return out, out.read_text()


def addresses(text):
    return [one for one in re.findall(r'href="([^"]*)"', text) if not one.startswith("#")]


def test_the_page_of_one_hub_is_the_sealed_one_with_links_that_lead_there(hub, tmp_path):
    out, text = made(tmp_path, hub)
    at = "../artifacts/phase8/2026-01-30T050000Z/"
    assert "It was made afresh by phasehub" in text
    assert "phase8/2026-01-30T050000Z, whose SHA256SUMS has the digest" in text
    assert len(addresses(text)) > 10
    for address in addresses(text):
        assert address.startswith(at)
        assert (out.parent / address).read_bytes(), address

    def body(page):
        """Its lines; tables of a record that was read have their keys in another order."""
        return sorted(page.replace(f'href="{at}', 'href="').partition("<footer>")[0].splitlines())

    sealed = (hub / "report.html").read_text()
    assert body(text) == body(sealed)


def test_several_hubs_stand_side_by_side(hub, other, tmp_path):
    out, text = made(tmp_path, hub, other)
    for told in ("phase8 · stable_sgd", "phase9 · stable_adamw", "&lt;b&gt;Nine&lt;/b&gt;"):
        assert told in text
    inside = json.loads(re.search(r'id="curves-data">(.*?)</script>', text, re.DOTALL)[1])
    assert len(inside["curves"]) == 10
    assert inside["curves"][6] == {
        "arm": "phase9 · stable_adamw", "group": 6, "mark": 7, "word": "collapsed",
        "y": [[2.0, 1.0, 1.5]],
    }  # fmt: skip
    assert len(addresses(text)) == 2
    assert all((out.parent / one).is_file() for one in addresses(text))
    assert len(re.findall('<img src="data:image/png', text)) == 6


def test_a_hub_that_was_changed_gets_no_page(hub, other, tmp_path):
    log = hub / "stage_a_arm_stable_sgd.log"
    log.chmod(0o644)
    log.write_text("something else")
    for hubs in ((hub,), (other, hub)):
        out = tmp_path / "new.html"
        with pytest.raises(VerificationError, match=r"stable_sgd\.log"):
            report(ReportRequest(hubs=hubs, out=out))
        assert not out.exists()


def test_a_page_takes_no_other_s_place_and_is_put_into_no_hub(hub, tmp_path):
    there = tmp_path / "there.html"
    there.write_text("mine")
    (tmp_path / "link.html").symlink_to(tmp_path / "nowhere")
    for out in (
        there,
        hub / "new.html",
        hub / "arms" / "stable_sgd" / "new.html",
        tmp_path / "link.html",
    ):
        with pytest.raises(ExportError, match="name a file"):
            report(ReportRequest(hubs=(hub,), out=out))
    assert there.read_text() == "mine"
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="cannot be written"):
        report(ReportRequest(hubs=(hub,), out=tmp_path / "file" / "new.html"))
