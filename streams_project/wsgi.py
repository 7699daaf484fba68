"""The WSGI application, for Lambda and for any WSGI server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streams_project.settings")

# Django must be set up before the app's modules are imported.
django_application = get_wsgi_application()

from streams.wsgi import guarded  # noqa: E402

application = guarded(django_application)
