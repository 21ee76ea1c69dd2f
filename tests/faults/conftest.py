"""What an undisturbed run of the phase leaves, and the interpreter that all runs use."""

import pytest

from tests.faults.phase import Begun, light_interpreter, results


@pytest.fixture(scope="module", autouse=True)
def own_state(tmp_path_factory):
    """Caches and cores of our own: held arms of two workers would wait for each other's cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHASEHUB_STATE", str(tmp_path_factory.getbasetemp() / "state"))
        yield


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory):
    return light_interpreter(tmp_path_factory.mktemp("interpreter"))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, interpreter):
    run = Begun(tmp_path_factory.mktemp("undisturbed"), interpreter)
    assert run.end() == 1, run.said.read_text()
    return results(run.hubs[0])
