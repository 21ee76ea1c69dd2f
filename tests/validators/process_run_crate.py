"""Validate a folder as a Process Run Crate with the public validator, without a network.

Run in an environment of its own, because the validator wants an older ``rich`` than other tools:
``python tests/validators/process_run_crate.py FOLDER``. The JSON-LD context of RO-Crate 1.1 is the
one that the ``rocrate`` package carries; the validator would fetch the same from the web.
"""

import json
import sys
from importlib.resources import files

from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


class Carried:
    """The answer that the web would give for the context."""

    status_code, ok, headers = 200, True, {"Content-Type": "application/ld+json"}
    text = files("rocrate").joinpath("data/ro-crate.jsonld").read_text("utf-8")

    def json(self):
        return json.loads(self.text)

    def raise_for_status(self):
        pass


def get(_requester, url, *_arguments, **_options):
    if url != CONTEXT:
        raise LookupError(f"{url} is not at hand without a network")
    return Carried()


def main(folder):
    HttpRequester.get = get
    settings = ValidationSettings(
        rocrate_uri=folder,
        profile_identifier="process-run-crate-0.5",
        requirement_severity=Severity.REQUIRED,
    )
    result = services.validate(settings)
    for issue in result.get_issues():
        print(f"{issue.check.identifier}: {issue.message}")
    return 1 if result.has_issues() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
