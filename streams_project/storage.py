"""Static files under whatever path the service is mounted at."""

from django.conf import settings
from django.contrib.staticfiles.storage import StaticFilesStorage


class PrefixedStaticFilesStorage(StaticFilesStorage):
    """Asks for the URL prefix at each request: API Gateway's stage (`/test`) is in it or not, depending on the domain
    the request came through, while Django's own storage remembers the first one it saw."""

    @property
    def base_url(self) -> str:
        """The URL static files start with."""
        return str(settings.STATIC_URL)  # Django puts the script prefix in front of a relative one

    @base_url.setter
    def base_url(self, value: str | None) -> None:
        pass
