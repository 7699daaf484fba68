# syntax=docker/dockerfile:1
# Runs the service under gunicorn, on Fargate or another container platform. docs/scaling.md says when
# this costs less than Lambda. The environment variables are the usual ones. AWS credentials come from
# the task's role.
FROM python:3.13-slim

WORKDIR /srv
COPY requirements.txt requirements-jwks.txt requirements-container.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt -r requirements-jwks.txt -r requirements-container.txt
COPY streams streams
COPY streams_project streams_project
COPY clients/web clients/web

RUN useradd --system stream-limits
USER stream-limits
ENV DJANGO_SETTINGS_MODULE=streams_project.settings LOG_FORMAT=json PYTHONUNBUFFERED=1 PORT=8000
EXPOSE 8000

# Two workers per virtual processor; the threads wait for DynamoDB. Idle connections stay open longer than
# a load balancer's 60 s. Otherwise gunicorn could close a connection that the load balancer is about to
# use. WEB_CONCURRENCY and GUNICORN_CMD_ARGS take precedence.
CMD ["gunicorn", "streams_project.wsgi:application", "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--keep-alive", "75", "--timeout", "30", "--graceful-timeout", "30", "--no-control-socket", "--worker-tmp-dir", "/dev/shm"]
