"""How tests are shared out, and what a hostile sender can do to a hub."""

import json
import os
import signal

import pytest
from xdist.scheduler import LoadScopeScheduling

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts in the background so, and all children would be deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
# nohup ignores it, here and in all children.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


class ByFile(LoadScopeScheduling):
    """A file's tests share what it makes; those with real containers share the daemon's images."""

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return "tests/containers" if file.startswith("tests/containers/") else file


def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log)


@pytest.fixture(scope="session")
def docker_client():
    """Docker's daemon, whatever other one a file's own ``client`` is."""
    from runner.core.errors import EngineError
    from runner.engines.daemon import connect

    try:
        return connect()
    except EngineError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def seal_anew():
    """Seal a changed hub; digests, sizes and what is said of them follow what lies there."""
    from runner.core.digest import pretty_json, sha256_file
    from runner.core.project import models_digest
    from runner.hub import layout
    from runner.hub.checksums import write_checksums
    from runner.verify.consistency import inconsistencies
    from runner.verify.sealed_hub import SealedHub

    def table(folder):
        return json.loads((folder / layout.RECORD).read_bytes())

    def seal(folder, *, consistent=True):
        digests = {}
        if (folder / layout.CODE).is_dir():
            digests[table(folder)["code"]["models_sha256"]] = models_digest(folder / layout.CODE)
        # Each of these names the one before it.
        for name in (layout.RECORD, layout.PROVENANCE, layout.CRATE):
            text = (folder / name).read_text()
            for file in table(folder)["artifacts"]:
                digests[file["sha256"]] = sha256_file(folder / file["path"])
            for before, after in digests.items():
                text = text.replace(before, after)
            (folder / name).write_text(text)
        record = table(folder)
        sizes = {f["path"]: (folder / f["path"]).stat().st_size for f in record["artifacts"]}
        for file in record["artifacts"]:
            file["bytes"] = sizes[file["path"]]
            file["sha256"] = sha256_file(folder / file["path"])
        for arm in record["arms"]:
            for file in arm["files"]:
                file["bytes"] = sizes[f"arms/{arm['name']}/{file['path']}"]
        (folder / layout.RECORD).write_bytes(pretty_json(record))
        write_checksums(folder)
        assert layout.verify(folder).intact
        assert not consistent or inconsistencies(SealedHub(folder=folder)) == ()

    return seal
