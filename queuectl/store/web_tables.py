"""The tables of the HTTP interface, as Peewee models: tokens, and the keys of submissions."""

from __future__ import annotations

import peewee

from queuectl.store.table import Table


class WebTokenRow(Table):
    """A program's key; of its secret only the hash is kept."""

    id = peewee.TextField(primary_key=True)
    name = peewee.TextField()
    role = peewee.TextField()
    secret_hash = peewee.TextField()
    created_at = peewee.BigIntegerField()
    expires_at = peewee.BigIntegerField(null=True)
    revoked_at = peewee.BigIntegerField(null=True)

    class Meta:
        table_name = "web_tokens"


class SubmissionKeyRow(Table):
    """What a submission with a key has become; ``content`` is the hash of what was submitted."""

    id = peewee.TextField(primary_key=True)
    content = peewee.TextField()
    task_id = peewee.BigIntegerField(null=True)
    batch_id = peewee.BigIntegerField(null=True)
    created_at = peewee.BigIntegerField()

    class Meta:
        table_name = "submission_keys"
