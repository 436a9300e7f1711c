"""Rows that travel as the parameters of one statement arrive as they were sent, on either engine."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queuectl.store.database import Database
from queuectl.store.rows import placeholders

COLUMNS = (("place", "bigint"), ("number", "bigint"), ("words", "text"))

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.sampled_from(
    [
        "NULL",
        "null",
        "",
        "{}",
        '{"a"}',
        "\\",
        '\\"',
        '"',
        "%s",
        "%",
        "'",
        ",",
        " ",
        "\n",
        "\ufeff",
        "[1]",
        "1",
        "true",
    ]
)
ROWS = st.lists(st.tuples(st.none() | st.integers(-(2**63), 2**63 - 1), st.none() | TEXTS), max_size=30)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_any_rows_come_back(database: Database, rows: list[tuple[int | None, str | None]]) -> None:
    sent = [(place, *row) for place, row in enumerate(rows)]
    values, params = database.values(COLUMNS, sent)
    with database.reading() as transaction:
        assert transaction.rows(f"SELECT place, number, words FROM {values} ORDER BY place", params) == sent


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_there_is_a_place_for_each_value_and_none_matches_nothing(database: Database, count: int) -> None:
    numbers = list(range(count))
    with database.reading() as transaction:
        query = f"SELECT CASE WHEN %s IN ({placeholders(numbers)}) THEN 1 ELSE 0 END"
        assert transaction.rows(query, (count - 1, *numbers)) == [(1 if count else 0,)]
