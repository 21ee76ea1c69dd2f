"""A small project with a manifest and a register, and hubs that are really sealed."""

from datetime import UTC, datetime

import pytest

from runner.core.digest import pretty_json
from runner.hub import layout
from runner.phase.finalize import write_metadata
from runner.report import write_reports
from tests.runner.study.agreeing import agreeing

MANIFEST = """\
schema_version = 1
[phase]
name = "phase8"
title = "Optimizer sweep"
question = "Does SGD or AdamW keep it from collapsing?"
findings = ["OPTIM-001"]
seed = 1
[model]
architecture = "stable_hybrid"
[[arms]]
name = "stable_sgd"
train.optimizer = { kind = "sgd" }
[[arms]]
name = "stable_adamw"
train.optimizer = { kind = "adamw" }
"""
REGISTER = """\
schema_version = 1
[[findings]]
id = "OPTIM-001"
date = "2026-11-21"
level = "read back"
claim = "It collapses less often under SGD than under AdamW."
basis = "A guess."
[[findings.evidence]]
kind = "comparison"
phase = "phase8"
arms = { "train.optimizer.kind" = "sgd" }
against = { "train.optimizer.kind" = "adamw" }
expect = "lower"
[[findings]]
id = "GAIN-001"
date = "2026-11-21"
level = "read back"
claim = "The gain matters."
basis = "Nobody has looked."
"""
BIG = 250_000


@pytest.fixture
def project(tmp_path):
    """Folder of a project: manifests, docs, and artifacts without a hub."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "phase8.toml").write_text(MANIFEST)
    (tmp_path / "docs" / "study").mkdir(parents=True)
    (tmp_path / "docs" / "study" / "findings.toml").write_text(REGISTER)
    (tmp_path / "artifacts").mkdir()
    return tmp_path


@pytest.fixture
def seal(project, record):
    """Seal a hub of the record, changed as asked, in the project's artifacts; its path."""

    def sealed(minute=0, *, more=None, artifacts=None, **changed):
        one, made = agreeing(
            record.model_copy(update=changed),
            {
                arm.name: {
                    file.path: b"{}" if place else b"x" * BIG
                    for place, file in enumerate(arm.files)
                }
                for arm in record.arms
            },
        )
        now = datetime(2026, 1, 30, 5, minute, 0, tzinfo=UTC)
        staging = layout.stage(artifacts or project / "artifacts", one.phase, now)
        folder = staging.path
        files = {
            "manifest.toml": MANIFEST.encode(),
            "environment.json": ENVIRONMENT,
            **made,
            **(more or {}),
            **{arm.log: b"epoch 0\n" for arm in one.arms if arm.log},
        }
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        write_reports(one, folder)
        write_metadata(one, folder, f"{one.phase}/{staging.final.name}")
        layout.write_record(folder, one)
        return staging.seal()

    return sealed


ENVIRONMENT = pretty_json(
    {
        "command": ["phasehub", "run", "manifests/phase8.toml"],
        "machine": {
            "cpu": {"model": "Some Processor", "usable_cores": 2},
            "gpus": [],
            "memory_bytes": 8 * 2**30,
            "system": {"distribution": "Debian GNU/Linux 12 (bookworm)"},
        },
    }
)
