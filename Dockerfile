# syntax=docker/dockerfile:1
# Runs the service under gunicorn, on Fargate, Kubernetes or another container platform.
# docs/container.md has the build, the settings and the manifests.
#
# The digest is that of the index of python:3.13-slim (3.13.15 on Debian 13), for amd64 and
# arm64. To find a newer one: docker buildx imagetools inspect python:3.13-slim
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

WORKDIR /srv
COPY requirements.txt requirements-jwks.txt requirements-container.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt -r requirements-jwks.txt -r requirements-container.txt
COPY manage.py ./
COPY streams streams
COPY streams_project streams_project
COPY clients/web clients/web
COPY docs/plans docs/plans

# /healthz names the version and this commit.
ARG COMMIT=
RUN COMMIT="$COMMIT" python -c "import json, os, streams; print(json.dumps({'version': streams.__version__, 'commit': os.environ['COMMIT']}))" > release.json
RUN python -m compileall -q streams streams_project

# A number, by which Kubernetes can tell that the user is not root.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin stream-limits
USER 10001:10001
ENV DJANGO_SETTINGS_MODULE=streams_project.settings DEBUG=0 LOG_FORMAT=json PYTHONUNBUFFERED=1 PORT=8000
EXPOSE 8000

HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "streams_project.health_check"]

# The configuration sets workers, threads and times. GUNICORN_CMD_ARGS takes precedence.
CMD ["gunicorn", "--config", "python:streams_project.gunicorn_config"]
