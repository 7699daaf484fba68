"""An app that never ships, installed where its folder exists."""

from django.apps import AppConfig


class InsightsConfig(AppConfig):
    """`manage.py why`, `manage.py report`, and the console's page of a user."""

    name = "insights"
