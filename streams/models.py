"""The PynamoDB model: one item per user. With its attributes it is the only definition of the table."""

from django.conf import settings
from pynamodb.models import Model

from streams.attributes import Attributes


class UserStreams(Attributes, Model):
    """The table. Made, provisioned and inspected by this class; requests are answered by `store.py`."""

    class Meta:
        table_name = settings.DYNAMODB_TABLE
        host = settings.DYNAMODB_ENDPOINT
        region = settings.AWS_REGION
        if settings.AWS_KEYS:
            aws_access_key_id, aws_secret_access_key, aws_session_token = settings.AWS_KEYS
        billing_mode = "PAY_PER_REQUEST"
