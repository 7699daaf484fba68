"""The PynamoDB model: one item per user. It is the only definition of the table, and every call goes through it."""

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, override

from django.conf import settings
from pynamodb.attributes import (
    MapAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
)
from pynamodb.connection import TableConnection
from pynamodb.models import Model

from streams.storage import calls

if settings.DYNAMODB_TRANSPORT == "curl":
    from streams.storage.transport import CurlConnection


class UserStreams(Model):
    """Everything kept of one user.

    `leases` id -> a lease; `storage/items.py` has its fields
    `priors` id -> when the lease that this one found in its slot would have ended (ms), or 0; beside `leases`, because
             an update expression can copy a number to a path of its own but not into a map that it writes whole
    `ended`  id -> an ending, the last few
    `version` grows with every write
    `mints`  the instant (ms) up to which the starts so far are paid for; absent until the first that is charged
    `limit`, `plan`, `when_full`, `keep_until`  an operator's override, and the far-off `ttl` that keeps such a row
    `ttl`    epoch seconds, when DynamoDB may forget the row; housekeeping only, no decision looks at it
    """

    class Meta:
        table_name = settings.DYNAMODB_TABLE
        host = settings.DYNAMODB_ENDPOINT
        region = settings.AWS_REGION
        connect_timeout_seconds = settings.DYNAMODB_CONNECT_SECONDS
        read_timeout_seconds = settings.DYNAMODB_CALL_SECONDS
        max_retry_attempts = 0  # `calls.make` tries again
        if settings.AWS_KEYS:
            aws_access_key_id, aws_secret_access_key, aws_session_token = (
                settings.AWS_KEYS
            )
        billing_mode = "PAY_PER_REQUEST"

    user_id = UnicodeAttribute(hash_key=True)
    version = NumberAttribute()
    leases: MapAttribute[str, Any] = MapAttribute(attr_name="l")
    priors: MapAttribute[str, Any] = MapAttribute(attr_name="p")
    ended: MapAttribute[str, Any] = MapAttribute(attr_name="d")
    mints = NumberAttribute(attr_name="m", null=True)
    limit = NumberAttribute(null=True)
    plan = UnicodeAttribute(null=True)
    when_full = UnicodeAttribute(null=True)
    keep_until = NumberAttribute(null=True)
    ttl = TTLAttribute(null=True)

    @classmethod
    def call(cls, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """One call of DynamoDB's low-level API (`UpdateItem`), in its JSON, within the request's time. Raises what
        PynamoDB's connection does, `ClientError` and `BotoCoreError` of botocore's, and what `calls.make` does."""
        connection = cls._get_connection().connection
        send: calls.Send = connection.dispatch
        if settings.DYNAMODB_TRANSPORT == "botocore":
            assert (
                connection.client
            )  # it takes long to make, which is no fault of DynamoDB's
            send = calls.cut(send)
        return calls.make(send, operation, arguments)

    @classmethod
    def disconnect(cls) -> None:
        """Close the idle connections, and use none that is open now, nor any credentials, for another call."""
        table, cls._connection = cls._connection, None
        if table is not None and table.connection._client is not None:
            table.connection._client.close()

    @classmethod
    @override
    def _get_connection(cls) -> TableConnection:
        """PynamoDB's connection to the table, over libcurl unless `DYNAMODB_TRANSPORT` says otherwise."""
        table = super()._get_connection()
        if settings.DYNAMODB_TRANSPORT == "curl" and not isinstance(
            table.connection, CurlConnection
        ):
            meta_table = table.get_meta_table()
            table.connection = CurlConnection(
                region=cls.Meta.region,
                host=cls.Meta.host,
                connect_timeout_seconds=cls.Meta.connect_timeout_seconds,
                read_timeout_seconds=cls.Meta.read_timeout_seconds,
                max_retry_attempts=cls.Meta.max_retry_attempts,
                aws_access_key_id=cls.Meta.aws_access_key_id,
                aws_secret_access_key=cls.Meta.aws_secret_access_key,
                aws_session_token=cls.Meta.aws_session_token,
            )
            table.connection.add_meta_table(meta_table)
        return table


def _begin_anew() -> None:
    """Connections, credentials and what is known of the store belong to one process. libcurl's client itself stays."""
    connection: Any = UserStreams._connection and UserStreams._connection.connection
    if settings.DYNAMODB_TRANSPORT == "curl" and connection is not None:
        connection.begin_anew()
    else:
        UserStreams.disconnect()
    calls.forget_failures()


os.register_at_fork(
    before=_begin_anew, after_in_child=_begin_anew
)  # a thread may have opened one in between
with suppress(ImportError):
    # On Lambda, before a snapshot that many instances resume from.
    # Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
    import_module("snapshot_restore_py").register_before_snapshot(_begin_anew)
