"""The WSGI application, for Zappa and for any WSGI server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streams_project.settings")
application = get_wsgi_application()
