"""The Django app of the commands that deploy. It is installed if its folder exists."""

from django.apps import AppConfig


class DeployConfig(AppConfig):
    """`preflight`, `provision`, `release`, `versions`, `promote` and others."""

    name = "deploy"
