"""The capacity planner: an app that never ships, installed where its folder exists."""

from django.apps import AppConfig


class CapacityConfig(AppConfig):
    """`manage.py plan_capacity`."""

    name = "capacity"
