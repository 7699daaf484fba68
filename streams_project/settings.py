"""Django's settings.

A deployment changes them by environment variables: see `environment`. An invalid
value stops start-up, and the error names the variable.
"""

import os
import secrets

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from streams_project.configuration import BASE_DIR, configured, exit_command
from streams_project.cross_origin import LOOPBACK_ORIGINS

try:
    values = configured(os.environ)
except ImproperlyConfigured as error:
    exit_command(error)
    raise

globals().update(values)

DEBUG: bool = values["DEBUG"]
PRIVATE_NETWORK: bool = values["PRIVATE_NETWORK"]
WHY_PAGE: bool = values["WHY_PAGE"]
BROWSABLE_API: bool = values["BROWSABLE_API"]
HAS_CORS = bool(values["CORS_ALLOWED_ORIGINS"]) or values["OPEN_ACCESS"]
"""Whether web players of some origin may call the service."""

SECRET_KEY = secrets.token_urlsafe(48)
"""Required by Django. The service signs nothing with it: it has no sessions and no
cookies, and players' tokens have their own keys."""

# --- applications ----------------------------------------------------------------

NEVER_SHIPPED = ("insights", "stages", "capacity", "deploy", "reporting")
"""Apps of the tools, which are installed where their folders exist. `plans` of
`insights` extends that of `stages`."""

INSTALLED_APPS = [
    # The first app with a command provides it: with a local DynamoDB or a stage.
    *(app for app in NEVER_SHIPPED if (BASE_DIR / app).is_dir()),
    "streams_project",
    "streams",
    # The sidecar contains the files of Swagger UI.
    *(["streams.browsable", "drf_spectacular_sidecar"] if BROWSABLE_API else []),
    "rest_framework",
    *(["corsheaders"] if HAS_CORS else []),
    "django.contrib.staticfiles",
]
ANSWERS_LOOPBACK_ONLY = values["OPEN_ACCESS"] and not values["PRIVATE_NETWORK"]
"""Whether callers on other machines are refused, because access is open."""

MIDDLEWARE = [
    *(["streams_project.open_access.loopback_only"] if ANSWERS_LOOPBACK_ONLY else []),
    *(["streams.current_request.log_requests"] if values["LOG_REQUESTS"] else []),
    "streams_project.cross_origin.log_refused_preflights",
    *(["streams_project.cross_origin.CrossOriginMiddleware"] if HAS_CORS else []),
    "streams.middleware.never_stored",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "streams.middleware.bounded_path",
    "streams.middleware.only_allowed_hosts",
    *(["whitenoise.middleware.WhiteNoiseMiddleware"] if BROWSABLE_API else []),
]
ROOT_URLCONF = "streams_project.urls"
WSGI_APPLICATION = "streams_project.wsgi.application"
TEST_RUNNER = "tests.runner.PytestRunner"
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "locale"]
"""The folder of an operator's translations, such as messages of plans' rules."""

if (BASE_DIR / "streams_project" / "management").is_dir():
    # The service has no relational data. This lets `migrate` and `showmigrations`
    # work, and is not part of a package.
    DATABASES = {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    }

# --- HTTP ------------------------------------------------------------------------

DATA_UPLOAD_MAX_NUMBER_FIELDS = 32
"""Largest number of query parameters. Django refuses more before it parses them."""
CORS_ALLOWED_ORIGIN_REGEXES = [LOOPBACK_ORIGINS] if values["OPEN_ACCESS"] else []
CORS_EXPOSE_HEADERS = ["date", "expires", "link", "location", "retry-after"]
# django-cors-headers reads these for each request, some by two names. Each one that is
# missing would cost an exception.
CORS_ALLOW_ALL_ORIGINS = False
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_PRIVATE_NETWORK = False
CORS_ORIGIN_ALLOW_ALL = CORS_ALLOW_ALL_ORIGINS
CORS_ORIGIN_WHITELIST: list[str] = values["CORS_ALLOWED_ORIGINS"]
CORS_ORIGIN_REGEX_WHITELIST = CORS_ALLOWED_ORIGIN_REGEXES
CORS_URLS_REGEX = "^.*$"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 0 if DEBUG else 63_072_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEBUG
SECURE_HSTS_PRELOAD = not DEBUG
SECURE_REFERRER_POLICY = "no-referrer"
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}
SILENCED_SYSTEM_CHECKS = [
    "security.W003",  # no cookies, so a forged request would carry no credentials
    "security.W008",  # API Gateway accepts https only
]

REST_FRAMEWORK = {
    "DEFAULT_PARSER_CLASSES": ["streams.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "streams.renderers.JSONRenderer",
        *(["streams.browsable.renderers.PageRenderer"] if BROWSABLE_API else []),
    ],
    "DEFAULT_AUTHENTICATION_CLASSES": values["AUTHENTICATION_CLASSES"],
    "DEFAULT_PERMISSION_CLASSES": ["streams.permissions.MayUseStreams"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "streams.negotiation.JSONOrPage",
    "EXCEPTION_HANDLER": "streams.problems.respond",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}

# --- pages -----------------------------------------------------------------------

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": ["django.template.context_processors.request"]
        },
    }
]
STATIC_URL = "static/"
STORAGES = {
    "staticfiles": {"BACKEND": "streams_project.storage.PrefixedStaticFilesStorage"}
}
STATICFILES_DIRS = [("client", BASE_DIR / "clients" / "web")]
WHITENOISE_USE_FINDERS = True

# --- logs ------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "streams_project.logs.TextFormatter"},
        "json": {"()": "streams_project.logs.JSONFormatter"},
    },
    "filters": {
        "access": {"()": "streams_project.logs.AccessLine"},
        "failures": {"()": "streams_project.logs.FailuresOnly"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": values["LOG_FORMAT"],
        }
    },
    "loggers": {
        "botocore": {"level": "WARNING"},  # not where it found its credentials
        "pynamodb": {"level": "WARNING"},
        # A refusal is an answer. Only a failure is logged.
        "django.request": {"level": "ERROR", "filters": ["failures"]},
        "django.server": {
            "handlers": ["console"],
            "level": "INFO",
            "propagate": False,
            "filters": ["access"],
        },
        "streams.audit": {"level": "INFO"},  # regardless of LOG_LEVEL
        # The server of the container: its records contain paths.
        "waitress": {"level": "WARNING", "filters": ["access"]},
        "waitress.queue": {"level": "ERROR"},  # a line for each request that waits
        "zappa.handler": {"level": "WARNING"},
        # Its access log contains paths, addresses and query strings.
        "zappa.wsgi": {"level": "WARNING"},
    },
    "root": {"handlers": ["console"], "level": values["LOG_LEVEL"]},
}
