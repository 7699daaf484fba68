"""The command `manage.py plan_capacity`."""
