# What an arm runs in: the locked packages, models/ and nothing else.
#
# runner/engines/images builds `environment` when a lock changes, and `cpu` or `cuda` on top of it
# when models/ changes. By hand (BuildKit), from wheels that a run has downloaded:
#   docker build --target cpu --network none --build-arg WHEELS=.phasehub/wheels/cpu-… .
# Works on any base that has Python 3.11 with pip and the venv module.
ARG BASE_IMAGE=python:3.11-slim-bookworm
ARG ENVIRONMENT=environment

FROM ${BASE_IMAGE} AS installer
ARG LOCK=models/requirements-cpu.txt
ARG WHEELS=wheels
COPY ${LOCK} /installer/lock.txt
COPY ${WHEELS} /installer/wheels
# Compiled caches are never checked against sources: both are read-only in a job. Files that do not
# compile (torch ships some for later Pythons) fail where they are imported.
RUN python3 -m venv --without-pip /opt/venv \
 && pip="python3 -m pip --isolated --no-cache-dir --disable-pip-version-check --python /opt/venv/bin/python" \
 && $pip install --quiet --no-index --find-links /installer/wheels --require-hashes --no-deps \
        --no-compile --requirement /installer/lock.txt \
 && $pip check \
 && { /opt/venv/bin/python -m compileall -qq -j 0 --invalidation-mode unchecked-hash /opt/venv/lib || true; }

FROM ${BASE_IMAGE} AS environment
COPY --from=installer /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8

FROM ${ENVIRONMENT} AS models
COPY models /opt/phasehub/models
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/phasehub/models
ENV PYTHONPATH=/opt/phasehub
WORKDIR /opt/phasehub
USER 10001:10001

FROM models AS cpu

FROM models AS cuda
# Which GPUs are shown is asked of the daemon for each job.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
