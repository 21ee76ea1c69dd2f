"""The site file: what it gives a queue, where it is looked for, and all of its mistakes at once."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from runner.core.errors import ManifestError
from runner.engines.cluster.use import RuntimeName
from runner.engines.kinds import EngineName
from runner.engines.runtimes.contained import GUARANTEES
from runner.jobs.sites import Chosen, chosen_engine, contains_jobs, queue_use
from runner.manifest.model import load
from runner.manifest.site import NAME, Site, SlurmSite, read_site

ROOT = Path(__file__).parents[3]
SITE = """
[slurm]
partition = "gpu,long"
account = "lab"
qos = "normal"
constraint = "a100"
options = ["--reservation=course", "--exclusive"]
shared = "/scratch/me"
concurrency = 8
look_every_s = 30
"""
WRONG = """
[slurm]
partitoin = "gpu"
qos = ""
options = ["--export=ALL", "-p gpu", "--nice"]
shared = "scratch"
concurrency = 0
look_every_s = "often"
"""


def test_a_site_file_gives_every_job_its_options(tmp_path):
    (tmp_path / NAME).write_text(SITE)
    use = queue_use(tmp_path)
    assert use.options == (
        *("--partition=gpu,long", "--account=lab", "--qos=normal", "--constraint=a100"),
        *("--reservation=course", "--exclusive"),
    )
    assert (str(use.shared), use.side_by_side, use.every_s) == ("/scratch/me", 8, 30)


def test_the_project_comes_before_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert queue_use(tmp_path).options == ()
    (tmp_path / "config" / "phasehub").mkdir(parents=True)
    (tmp_path / "config" / "phasehub" / NAME).write_text('[slurm]\nqos = "user"\n')
    assert queue_use(tmp_path).options == queue_use().options == ("--qos=user",)
    (tmp_path / NAME).write_text('[slurm]\nqos = "project"\n')
    assert queue_use(tmp_path).options == ("--qos=project",)


def test_every_mistake_is_named_with_its_line(tmp_path):
    (tmp_path / NAME).write_text(WRONG)
    with pytest.raises(ManifestError) as wrong:
        read_site(tmp_path / NAME)
    found = [line.partition(NAME)[2] for line in str(wrong.value).splitlines() if NAME in line]
    assert [line.split(": ")[0] for line in found] == [f":{n}" for n in (3, 4, 5, 5, 6, 7, 8)]
    for words in (
        "did you mean 'partition'?",
        "--export is given by phasehub itself",
        "expected a long option of sbatch",
        "expected an absolute path",
        "expected a number of at least 1",
        "expected a number",
    ):
        assert words in str(wrong.value)


def test_jobs_are_contained_where_the_site_names_a_runtime_of_containers(tmp_path):
    (tmp_path / NAME).write_text('[slurm]\nruntime = "oci"\n')
    use, none = queue_use(tmp_path), queue_use(tmp_path / "elsewhere")
    assert (use.runtime, none.runtime) == ("oci", "process")
    assert contains_jobs("slurm", use)
    assert contains_jobs("docker", none)
    assert not contains_jobs("slurm", none)
    assert not contains_jobs("process", use)
    assert {*get_args(RuntimeName)} == {*get_args(SlurmSite.model_fields["runtime"].annotation)}
    assert {*get_args(RuntimeName)} == {"process", *GUARANTEES}
    (tmp_path / NAME).write_text('[slurm]\nruntime = "rkt"\n')
    with pytest.raises(ManifestError, match="runtime"):
        read_site(tmp_path / NAME)


def test_the_engine_is_that_of_the_command_line_the_manifest_the_site_file_the_machine(tmp_path):
    text = (ROOT / "manifests" / "quickstart.toml").read_text()
    path = tmp_path / "manifests" / "quickstart.toml"
    path.parent.mkdir()

    def chosen(asked="auto", *, manifest=None, python=None):
        named = f'engine = "{manifest}"\n' if manifest else ""
        path.write_text(text.replace("schema_version = 1\n", f"schema_version = 1\n{named}"))
        return chosen_engine(asked, load(path), python=python)

    assert chosen() == chosen(manifest="auto") == Chosen(name="auto")
    assert chosen(manifest="slurm") == Chosen(name="slurm", by=str(path))
    (tmp_path / NAME).write_text('engine = "slurm"\n')
    assert str(chosen()) == f"Engine: slurm, as {tmp_path / NAME} names it"
    assert chosen(manifest="auto").name == "slurm"
    assert chosen(manifest="process") == Chosen(name="process", by=str(path))
    assert chosen("process", manifest="docker") == Chosen(name="process", by="--engine")
    (tmp_path / NAME).write_text('engine = "docker"\n')
    assert chosen().name == "docker"
    for manifest in (None, "docker"):
        assert chosen(manifest=manifest, python=tmp_path / "python").name == "auto"


@pytest.mark.parametrize("text", ["", "\n", "# All of it is optional.\n"])
def test_a_file_that_says_nothing_is_one_of_defaults(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    assert read_site(tmp_path / NAME) == Site()


def test_a_site_file_that_is_wrong_stops_a_run_before_it_begins(tmp_path):
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    (tmp_path / NAME).write_text(WRONG)
    done = subprocess.run(
        [sys.executable, "-m", "runner", "run", tmp_path / "manifests" / "quickstart.toml",
         "--engine", "process", "--out", tmp_path / "artifacts"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == ManifestError.exit_code
    assert "partitoin" in done.stderr
    assert not (tmp_path / "artifacts").exists()


def test_a_manifest_may_name_any_engine_and_no_other(tmp_path):
    text = (ROOT / "manifests" / "quickstart.toml").read_text()
    path = tmp_path / "quickstart.toml"
    for name in EngineName:
        path.write_text(text.replace("version = 1\n", f'version = 1\nengine = "{name}"\n'))
        assert load(path).manifest.engine == name
    path.write_text(text.replace("version = 1\n", 'version = 1\nengine = "slrum"\n'))
    with pytest.raises(ManifestError, match="did you mean 'slurm'"):
        load(path)


def test_a_site_file_may_name_any_engine_and_no_other(tmp_path):
    for name in EngineName:
        (tmp_path / NAME).write_text(f'engine = "{name}"\n')
        assert read_site(tmp_path / NAME).engine == name
    (tmp_path / NAME).write_text('engine = "slrum"\n')
    with pytest.raises(ManifestError, match="did you mean 'slurm'"):
        read_site(tmp_path / NAME)
