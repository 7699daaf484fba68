"""Static files under whatever path the service is mounted at."""

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.urls import get_script_prefix


class PrefixedStaticFilesStorage(StaticFilesStorage):
    """Asks for the URL prefix at each request: API Gateway's stage (`/test`) is in it or not, depending on the domain
    the request came through, while Django's own storage remembers the first one it saw."""

    @property
    def base_url(self) -> str:
        """The URL static files start with."""
        return (
            get_script_prefix() + "static/"
        )  # settings.STATIC_URL keeps the prefix it was first asked under

    @base_url.setter
    def base_url(self, value: str | None) -> None:
        pass
