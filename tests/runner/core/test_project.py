"""Which project a manifest belongs to."""

import pytest

from runner.core.project import project_of

PROJECTS = {
    "nothing tells": ([], "a/manifests_of_mine/x.toml", "a/manifests_of_mine"),
    "its folder of manifests": ([], "a/manifests/x.toml", "a"),
    "the nearest folder of manifests": ([], "manifests/a/manifests/sub/x.toml", "manifests/a"),
    "a register": (["a/docs/study/findings.toml"], "a/b/manifests/x.toml", "a"),
    "a checkout": (["a/.git/HEAD"], "a/b/x.toml", "a"),
    "manifests in a checkout": (["a/.git/HEAD"], "a/b/manifests/x.toml", "a/b"),
    "a register outside of the checkout": (
        ["docs/study/findings.toml", "a/.git/HEAD"],
        "a/x.toml",
        "a",
    ),
    "a checkout in a folder of manifests": (
        ["manifests/.git/HEAD"],
        "manifests/x.toml",
        "manifests",
    ),
}


@pytest.mark.parametrize(("marks", "manifest", "project"), PROJECTS.values(), ids=PROJECTS)
def test_what_tells_the_project_of_a_manifest(tmp_path, marks, manifest, project):
    for mark in [*marks, manifest]:
        (tmp_path / mark).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / mark).touch()
    assert project_of(tmp_path / manifest) == (tmp_path / project).resolve()
