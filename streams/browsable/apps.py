"""The Django app of the pages: its templates and static files."""

from django.apps import AppConfig


class BrowsableConfig(AppConfig):
    """Pages for people."""

    name = "streams.browsable"
