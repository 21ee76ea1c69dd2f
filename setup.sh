#!/bin/sh
# Make .venv with what the host side of phasehub needs, hash-locked. Safe to run again.
# Debian's own python3 is externally managed and may lack the venv module; nothing is installed into it.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "setup.sh: $("$python" --version) is too old; phasehub needs Python 3.11 or newer (set PYTHON)." >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "setup.sh: $python has no venv module; installing the package python3-venv." >&2
    if [ "$(id -u)" -eq 0 ]; then as_root=; else as_root=sudo; fi
    $as_root apt-get update -qq && $as_root apt-get install -y -qq python3-venv ||
        { echo "setup.sh: could not install python3-venv; install it by hand and try again." >&2; exit 1; }
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r runner/requirements.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
echo "setup.sh: ready; .venv/bin/nox -l lists the commands." >&2
