"""An app that never ships: it holds the template of a report's page."""

from django.apps import AppConfig


class ReportingConfig(AppConfig):
    """Tables, charts, pages and times for the commands of other apps."""

    name = "reporting"
