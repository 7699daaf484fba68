"""The console's page of a user, where access is open and events are kept on this machine."""

from django.urls import path

from insights.views import WhyView

urlpatterns = [
    path(f"console/why{slash}", WhyView.as_view(), name="why") for slash in ("/", "")
]
