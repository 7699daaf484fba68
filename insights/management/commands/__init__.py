"""`manage.py why` and `manage.py report`."""
