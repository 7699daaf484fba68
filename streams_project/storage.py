"""Static files below the path at which the service is mounted."""

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.urls import get_script_prefix


class PrefixedStaticFilesStorage(StaticFilesStorage):
    """Static files whose URL has the prefix of the current request.

    API Gateway's stage (`/test`) is part of the path for some domains and not for
    others, while Django's storage keeps the prefix of the first request.
    """

    @property
    def base_url(self) -> str:
        """The beginning of the URLs of static files."""
        # settings.STATIC_URL keeps the prefix of its first use.
        return get_script_prefix() + "static/"

    @base_url.setter
    def base_url(self, value: str | None) -> None:
        pass
