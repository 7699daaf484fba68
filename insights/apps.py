"""The commands and the page of whoever looks back: an app that is installed only where its folder is."""

from django.apps import AppConfig


class InsightsConfig(AppConfig):
    """`manage.py why`, `manage.py report`, and the console's page of a user."""

    name = "insights"
