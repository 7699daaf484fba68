"""The Django app of the pages, with their templates and static files."""

from django.apps import AppConfig


class BrowsableConfig(AppConfig):
    """The app of the pages."""

    name = "streams.browsable"
