"""The commands of whoever deploys: an app that is installed only where its folder is, and never ships."""

from django.apps import AppConfig


class DeployConfig(AppConfig):
    """`manage.py preflight`, `provision`, `release`, `versions`, `promote` …"""

    name = "deploy"
