"""A cluster that all tests of this folder share, and the interpreter that their jobs use."""

import pytest

from tests.faults.phase import light_interpreter
from tests.slurm.cluster import Cluster


@pytest.fixture(scope="package")
def cluster(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        one = Cluster(tmp_path_factory.mktemp("slurm"))
        patched.setenv("SLURM_CONF", str(one.conf))
        try:
            one.up()
            yield one
        finally:
            one.down()


@pytest.fixture(scope="package")
def interpreter(tmp_path_factory):
    return light_interpreter(tmp_path_factory.mktemp("interpreter"))
