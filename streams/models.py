"""The PynamoDB row: one item per user. This class is the only definition of the table."""

from typing import Any

from django.conf import settings
from pynamodb.attributes import MapAttribute, NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.models import Model


class UserStreams(Model):
    """Everything kept of one user.

    `leases` id -> {stream_id, started_at, expires_at, device_id?, device_name?, device_type?, title?}, instants in ms
    `epochs` id -> the row's version when that lease began; beside `leases`, because an update expression can put
             `version + 1` at a path of its own but not inside a map it writes whole
    `ended`  id -> {reason, at, by?}, the last endings
    `limit`, `when_full`, `keep_until`  an operator's override, and the far-off `ttl` that keeps such a row
    `ttl`    epoch seconds, when DynamoDB may forget the row; housekeeping only, no decision looks at it
    """

    class Meta:
        table_name = settings.DYNAMODB_TABLE
        host = settings.DYNAMODB_ENDPOINT
        region = settings.AWS_REGION
        if settings.DYNAMODB_ENDPOINT and not settings.AWS_CREDENTIALS_GIVEN:
            aws_access_key_id = aws_secret_access_key = "local"  # noqa: S105
        billing_mode = "PAY_PER_REQUEST"

    user_id = UnicodeAttribute(hash_key=True)
    version = NumberAttribute()
    leases: MapAttribute[str, Any] = MapAttribute()
    epochs: MapAttribute[str, Any] = MapAttribute()
    ended: MapAttribute[str, Any] = MapAttribute()
    limit = NumberAttribute(null=True)
    when_full = UnicodeAttribute(null=True)
    keep_until = NumberAttribute(null=True)
    ttl = TTLAttribute(null=True)
