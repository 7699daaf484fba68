"""This service's settings, with other routes."""

from streams_project.settings import *  # noqa: F403

ROOT_URLCONF = "bench.peers.frameworks.urls"
