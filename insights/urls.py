"""The console's page of a user. It needs open access and events of this machine."""

from django.urls import path

from insights.views import WhyView

urlpatterns = [
    path("console/why/", WhyView.as_view(), name="why"),
    path("console/why", WhyView.as_view(), name="why"),
]
