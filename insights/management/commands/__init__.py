"""`manage.py why`, `manage.py report`, and `manage.py plans compare`."""
