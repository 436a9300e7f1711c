"""What all models of tables have in common."""

from __future__ import annotations

import peewee


class Table(peewee.Model):
    """A table of queuectl. Models are not bound to a database: queries are run by one."""

    class Meta:
        legacy_table_names = False
