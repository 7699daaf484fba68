"""The PynamoDB model: one item per user.

It is the only definition of the table, and every call goes through it.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, override

from django.core.signals import setting_changed
from django.dispatch import receiver
from pynamodb.attributes import (
    MapAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
)
from pynamodb.connection import TableConnection
from pynamodb.models import Model

from streams.conf import settings
from streams.dynamodb import calls

if settings.DYNAMODB_TRANSPORT == "curl":
    from streams.dynamodb.transport import CurlConnection


class UserStreams(Model):
    """Everything that is stored for one user.

    `leases` maps ids to leases; `storage/items.py` has their fields.
    `priors` maps ids to the expiry (ms) of the lease that each lease replaced, or
    0. It is separate from `leases`, because an update expression can copy a number
    to its own path but not into a map that it writes whole.
    `ended` maps ids to the last endings.
    `version` increases with every write.
    `theoretical_arrival_at` is the instant (ms) up to which starts are paid for.
    It is absent until the first start that is charged.
    `write_1` to `write_3` are the ids of the last writes, the latest first. Plain
    heartbeats are not among them.
    `limit_set_at` is when (ms) an operator last changed the overrides, or 0.
    `limit`, `plan`, `when_full` are an operator's overrides, and `keep_until` is
    the distant `ttl` that keeps such an item.
    `ttl` (epoch seconds) is when DynamoDB may delete the item. It is housekeeping:
    no decision examines it.
    """

    class Meta:
        """The table and the connection. `_configure` sets them from the settings."""

        table_name = ""
        host: str | None = None
        region = ""
        connect_timeout_seconds = 0.0
        read_timeout_seconds = 0.0
        aws_access_key_id: str | None = None
        aws_secret_access_key: str | None = None
        aws_session_token: str | None = None
        max_retry_attempts = 0  # `calls.make` retries
        billing_mode = "PAY_PER_REQUEST"

    user_id = UnicodeAttribute(hash_key=True)
    version = NumberAttribute()
    leases: MapAttribute[str, Any] = MapAttribute(attr_name="l")
    priors: MapAttribute[str, Any] = MapAttribute(attr_name="p")
    ended: MapAttribute[str, Any] = MapAttribute(attr_name="d")
    theoretical_arrival_at = NumberAttribute(attr_name="m", null=True)
    limit_set_at = NumberAttribute(attr_name="c", null=True)
    write_1 = UnicodeAttribute(attr_name="w1", null=True)
    write_2 = UnicodeAttribute(attr_name="w2", null=True)
    write_3 = UnicodeAttribute(attr_name="w3", null=True)
    limit = NumberAttribute(null=True)
    plan = UnicodeAttribute(null=True)
    when_full = UnicodeAttribute(null=True)
    keep_until = NumberAttribute(null=True)
    ttl = TTLAttribute(null=True)

    @classmethod
    def call(cls, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Send one call of DynamoDB's low-level API within the request's time.

        Both the arguments and the answer are DynamoDB's JSON.

        Raises:
            ClientError, BotoCoreError: from PynamoDB's connection.
            CircuitBreakerError, TimeoutError: from `calls.make`.
        """
        connection = cls._get_connection().connection
        send: calls.Send = connection.dispatch
        if settings.DYNAMODB_TRANSPORT == "botocore":
            # Create the client first: its time does not count as DynamoDB's.
            assert connection.client
            send = calls.bounded(send)
        return calls.make(send, operation, arguments)

    @classmethod
    def disconnect(cls) -> None:
        """Close the idle connections and forget the credentials."""
        table = cls._connection
        cls._connection = None
        if table is not None and table.connection._client is not None:
            table.connection._client.close()

    @classmethod
    @override
    def _get_connection(cls) -> TableConnection:
        """Return PynamoDB's connection to the table, over the configured transport."""
        table = super()._get_connection()
        uses_curl = settings.DYNAMODB_TRANSPORT == "curl"
        if uses_curl and not isinstance(table.connection, CurlConnection):
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


CONNECTION_SETTINGS = {
    "DYNAMODB_TABLE",
    "DYNAMODB_ENDPOINT",
    "AWS_REGION",
    "AWS_KEYS",
}


def _configure() -> None:
    """Set the table and the connection from the settings."""
    meta = UserStreams.Meta
    meta.table_name = settings.DYNAMODB_TABLE
    meta.host = settings.DYNAMODB_ENDPOINT
    meta.region = settings.AWS_REGION
    meta.connect_timeout_seconds = settings.DYNAMODB_CONNECT_SECONDS
    meta.read_timeout_seconds = settings.DYNAMODB_CALL_SECONDS
    (
        meta.aws_access_key_id,
        meta.aws_secret_access_key,
        meta.aws_session_token,
    ) = settings.AWS_KEYS or (None, None, None)


@receiver(setting_changed)
def _follow_settings(*, setting: str, **_: Any) -> None:
    """Connect again when a setting of the connection changes."""
    if setting in CONNECTION_SETTINGS:
        _configure()
        UserStreams.disconnect()


_configure()


def _reset_process_state() -> None:
    """Forget connections, credentials and the circuit: they belong to one process.

    libcurl's client is kept, because its first handle is expensive.
    """
    table = UserStreams._connection
    connection: Any = table.connection if table else None
    if settings.DYNAMODB_TRANSPORT == "curl" and connection is not None:
        connection.reset()
    else:
        UserStreams.disconnect()
    calls.reset_circuit()


# Also in the child: a thread may have opened a connection after the parent's reset.
os.register_at_fork(before=_reset_process_state, after_in_child=_reset_process_state)

with suppress(ImportError):
    # On Lambda, before the snapshot that many instances resume from.
    # https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
    hooks = import_module("snapshot_restore_py")
    hooks.register_before_snapshot(_reset_process_state)
