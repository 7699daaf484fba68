"""`manage.py plan_capacity`."""
