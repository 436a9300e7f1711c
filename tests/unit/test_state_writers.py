"""Only the moves in queuectl/store write the state of a task: every string and call in the source is read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What may write the state of a task: the moves, those that undo, and the submission that makes the row.
MOVES = ("queuectl/store/tasks.py", "queuectl/store/restoring.py")
SUBMISSION = "queuectl/store/submission.py"
RESTORE = "queuectl/store/postgres_copy.py"  # the rows of a backup, as they were

UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # stands for what is only known when the program runs

# From SET to the end of the assignments, with the table before it. A FROM, WHERE or RETURNING inside a
# subselect ends it early; a state written after one would be missed, so a SET with a subselect is refused.
_SET = re.compile(
    r"\bSET\b(?P<assignments>.*?)(?=\bWHERE\b|\bFROM\b|\bRETURNING\b|$)", re.IGNORECASE | re.DOTALL
)
_UPDATE = re.compile(
    rf"\bUPDATE\s+(?:ONLY\s+)?[\"\w.{UNKNOWN}]+(?:\s+AS\s+\w+)?\s+$|\bDO\s+UPDATE\s+$", re.IGNORECASE
)
_STATE = re.compile(r"(?:^|[\s,(.\"])state\"?\s*(?:=|,|\))", re.IGNORECASE)
_UNREADABLE = re.compile(rf"(?:^|,)\s*{UNKNOWN}|\(\s*SELECT\b", re.IGNORECASE)
_INSERT = re.compile(rf"\b(?:INSERT|REPLACE)\b[\w\s]*\bINTO\s+\"?(?:tasks\b|{UNKNOWN})", re.IGNORECASE)
_COPY = re.compile(rf"\bCOPY\s+\"?(?:tasks\b|{UNKNOWN})", re.IGNORECASE)

_WRITING_CALLS = {
    *("create", "get_or_create", "bulk_create", "insert", "insert_many", "replace", "replace_many"),
    *("update", "bulk_update", "set_by_id"),
}


def test_only_the_moves_write_the_state_of_a_task() -> None:
    findings = [
        f"{name}:{line}: {what}"
        for path in sorted([*ROOT.glob("queuectl/**/*.py"), *ROOT.glob("daemon/**/*.py")])
        if (name := path.relative_to(ROOT).as_posix()) not in MOVES
        for line, what in state_writes(path.read_text(), may_insert=name in {SUBMISSION, RESTORE})
    ]
    assert findings == []


@pytest.mark.parametrize(
    "source",
    [
        "run(\"UPDATE tasks SET state = 'queued' WHERE id = 1\")",
        "run('UPDATE tasks SET node = NULL, state=%s WHERE id = %s')",
        "run('update tasks\\n   set node = NULL,\\n   state = ? where id = ?')",
        "run('UPDATE tasks SET node = NULL,' ' state = %s' ' WHERE id = 1')",
        "run('UPDATE tasks SET node = NULL,' + ' state = %s' + tail)",
        "run(f'UPDATE {table} SET state = {new}')",
        "run(f'UPDATE tasks SET {column} = %s')",
        "run('UPDATE tasks SET ' + ', '.join(columns) + ' WHERE id = 1')",
        "run('UPDATE tasks SET node = NULL' + (', state = 1' if again else '') + ' WHERE id = 1')",
        "run('UPDATE tasks SET (node, state) = (NULL, %s)')",
        "run('UPDATE tasks SET node = (SELECT id FROM nodes), state = %s')",
        "run('UPDATE tasks AS t SET \"state\" = %s')",
        "run('INSERT INTO tasks (url, state) VALUES (%s, %s)')",
        "run('INSERT OR REPLACE INTO tasks (url) VALUES (%s)')",
        "run(f'INSERT INTO {table} VALUES (1)')",
        "run('INSERT INTO marks (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET state = 1')",
        "run('SELECT 1 FROM ' + deeper(\"UPDATE tasks SET state = 'dead'\"))",
        "run(f\"{deeper('UPDATE tasks SET state = 1')}\")",
        "cursor.copy_expert('COPY tasks FROM STDIN', lines)",
        "TaskRow.update(state='queued').execute()",
        "TaskRow.update({TaskRow.state: 'queued'}).execute()",
        "TaskRow.insert_many(rows, fields=[TaskRow.url, TaskRow.state])",
        "TaskRow.create(url=url, state='queued')",
        "row.state = 'queued'\nrow.save()",
        "setattr(row, 'state', 'queued')",
    ],
)
def test_a_write_of_the_state_is_found(source: str) -> None:
    assert list(state_writes(source))


@pytest.mark.parametrize(
    "source",
    [
        "run(\"SELECT state FROM tasks WHERE state = 'queued'\")",
        "run(\"UPDATE tasks SET cancel_requested = 1 WHERE state = 'running'\")",
        "run(f\"UPDATE tasks SET due_at = {due} FROM wanted WHERE state = 'queued' AND id = {number}\")",
        "run('INSERT INTO counters (queue, state, tasks) VALUES (%s, %s, 1)')",
        "run('UPDATE counters SET tasks = tasks + 1 WHERE state = %s')",
        "Task(id=1, state=State.QUEUED)",
        "parser.update({'color': 'red'})",
        '"""Update a set of tasks; their state = what it was before."""',
    ],
)
def test_reading_the_state_is_allowed(source: str) -> None:
    assert list(state_writes(source)) == []


def test_the_submission_may_make_rows_and_not_change_them() -> None:
    insert = "run('INSERT INTO tasks (url, state) VALUES (%s, %s)')"
    update = "run('UPDATE tasks SET state = %s')"
    assert list(state_writes(insert, may_insert=True)) == []
    assert list(state_writes(update, may_insert=True))


@pytest.mark.parametrize("moves", MOVES)
def test_the_moves_are_where_the_rule_says(moves: str) -> None:
    assert list(state_writes((ROOT / moves).read_text())), (
        f"{moves} writes no state; does this test still see SQL?"
    )


def state_writes(source: str, *, may_insert: bool = False) -> Iterator[tuple[int, str]]:
    """Yield line and reason for everything in ``source`` that writes, or could write, the state of a task."""
    tree = ast.parse(source)
    inner: set[int] = set()  # parts of a longer text, which is looked at as a whole
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.JoinedStr | ast.Constant) and id(node) not in inner | docstrings:
            if reason := _sql_write(_text(node, inner), may_insert=may_insert):
                yield node.lineno, reason
        elif isinstance(node, ast.Call) and (reason := _call_write(node)):
            yield node.lineno, reason
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and _row_write(node):
            yield node.lineno, "an assignment to .state"


def _text(node: ast.AST, seen: set[int]) -> str:
    """Return a text as the program would put it together, and note the parts of the tree it is made of."""
    seen.add(id(node))
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, seen) for part in parts)
        case ast.FormattedValue(value=ast.expr() as value):
            return _text(value, seen)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, seen) + _text(right, seen)
        case ast.IfExp(body=body, orelse=orelse):
            return _text(body, seen) + _text(orelse, seen)
        case _:
            seen.discard(id(node))
            return UNKNOWN


def _sql_write(sql: str, *, may_insert: bool) -> str | None:
    if not may_insert and (_COPY.search(sql) or _INSERT.search(sql)):
        return "a new row of tasks"
    for found in _SET.finditer(sql):
        if _UPDATE.search(sql[: found.start()]):
            assignments = found["assignments"]
            if _STATE.search(assignments):
                return "an UPDATE of state"
            if _UNREADABLE.search(assignments):
                return "an UPDATE whose columns cannot be read here"
    return None


def _call_write(call: ast.Call) -> str | None:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "setattr" and any(
        isinstance(each, ast.Constant) and each.value == "state" for each in call.args
    ):
        return "setattr of state"
    if name not in _WRITING_CALLS or not isinstance(call.func, ast.Attribute):
        return None
    named = any(keyword.arg == "state" for keyword in call.keywords)
    given = any(
        isinstance(node, ast.Attribute) and node.attr == "state" and isinstance(node.value, ast.Name)
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
        for node in _columns(argument)
    )
    return f"a call of {name} with state" if named or given else None


def _columns(argument: ast.expr) -> list[ast.expr]:
    """Return what may name columns in an argument: the keys of a dictionary, the members of a list."""
    match argument:
        case ast.Dict(keys=keys):
            return [key for key in keys if key is not None]
        case ast.List(elts=members) | ast.Tuple(elts=members):
            return members
        case _:
            return [argument]


def _row_write(statement: ast.Assign | ast.AugAssign | ast.AnnAssign) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return any(isinstance(each, ast.Attribute) and each.attr == "state" for each in targets)
