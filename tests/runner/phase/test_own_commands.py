"""Arms with commands of their own, which may name folders of this machine."""

from runner.hub import layout
from tests.faults.phase import ARM, light_interpreter, manifest, phasehub, words_of_run


def test_a_program_beside_the_manifest_is_in_hub_and_plan_alike(tmp_path):
    """The hub hides folders; what the manifest itself names is no secret, and has to agree."""
    program = tmp_path / "arm.sh"
    text = manifest(one=0)
    program.write_text(ARM)
    (line,) = [line for line in text.splitlines() if line.startswith("command")]
    own = f'command = ["/bin/sh", "{program}", "{{out}}", "{{job}}", "one", "0"]'
    text = text.replace(line, own)
    phasehub(*words_of_run(tmp_path, light_interpreter(tmp_path), text))
    (hub,) = layout.find_hubs(tmp_path / "artifacts")
    checked = phasehub("verify", hub)
    assert checked.returncode == 0, checked.stderr
    assert str(program) in layout.read(hub).arms[0].command
