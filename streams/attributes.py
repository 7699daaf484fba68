"""What an item of the table holds, in PynamoDB. Expressions are written with these; `models.py` makes a table of them.

Apart from the model, since PynamoDB's models bring botocore's client along, which no request calls: a quarter of a
cold start."""

from typing import Any

from pynamodb.attributes import AttributeContainer, MapAttribute, NumberAttribute, TTLAttribute, UnicodeAttribute


class Attributes(AttributeContainer):
    """Everything kept of one user.

    `leases` id -> {stream_id, started_at, expires_at, device_id?, device_name?, device_type?, title?}, instants in ms
    `epochs` id -> the row's version when that lease began; beside `leases`, because an update expression can put the
             version at a path of its own but not inside a map it writes whole
    `ended`  id -> {reason, at, by?}, the last endings
    `limit`, `when_full`, `keep_until`  an operator's override, and the far-off `ttl` that keeps such a row
    `ttl`    epoch seconds, when DynamoDB may forget the row; housekeeping only, no decision looks at it
    """

    user_id = UnicodeAttribute(hash_key=True)
    version = NumberAttribute()
    leases: MapAttribute[str, Any] = MapAttribute()
    epochs: MapAttribute[str, Any] = MapAttribute()
    ended: MapAttribute[str, Any] = MapAttribute()
    limit = NumberAttribute(null=True)
    when_full = UnicodeAttribute(null=True)
    keep_until = NumberAttribute(null=True)
    ttl = TTLAttribute(null=True)
