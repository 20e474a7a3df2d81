"""Which line of what a program printed says why it failed."""

import json
from typing import Any

import pytest

from nova_infra.documents.last_words import telling_first

PYTHON = """\
migrating
Traceback (most recent call last):
  File "/app/app.py", line 12, in <module>
    migrate()
psycopg.errors.UndefinedTable: relation "orders" does not exist
LINE 1: alter table orders
                    ^""".splitlines()
CHAINED = """\
Traceback (most recent call last):
  File "a.py", line 1
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "b.py", line 2
RuntimeError: no configuration""".splitlines()
NODE = """\
/app/migrate.js:3
    throw new Error("no database");
    ^

Error: connect ECONNREFUSED 10.0.0.5:5432
    at Object.<anonymous> (/app/migrate.js:3:11)
    at Module._compile (node:internal/modules/cjs/loader:1554:14)

Node.js v22.14.0""".splitlines()
GO = ["starting", "panic: runtime error: index out of range", "", "goroutine 1 [running]:", "main.main()"]
JAVA = [
    "java.lang.RuntimeException: outer",
    "\tat a.B.c(B.java:1)",
    "Caused by: java.io.IOException: no disk",
    "\tat d",
]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (PYTHON, 'psycopg.errors.UndefinedTable: relation "orders" does not exist'),
        (CHAINED, "RuntimeError: no configuration"),
        (NODE, "Error: connect ECONNREFUSED 10.0.0.5:5432"),
        (GO, "panic: runtime error: index out of range"),
        (JAVA, "Caused by: java.io.IOException: no disk"),
        ([f"ERROR:    {CHAINED[0]}", *CHAINED[1:3], "ERROR:    startup failed. Exiting."], "KeyError: 'a'"),
        (["reads", "FATAL:  password authentication failed", "bye"], "FATAL:  password authentication failed"),
        (["Traceback (most recent call last):", '  File "cut off"'], '  File "cut off"'.strip()),
        (["one", "two"], "two"),
    ],
)
def test_the_line_that_says_why_comes_first_and_no_line_twice(lines: list[str], why: str) -> None:
    found = telling_first(lines, most=4)
    assert found[0] == why
    assert len(found) == min(4, len([line for line in lines if line.strip()]))
    rest = [line.strip() for line in lines if line.strip()]
    rest.remove(why)
    assert found[1:] == rest[len(rest) - len(found) + 1 :]


def entry(message: str, **more: Any) -> str:
    return json.dumps({"level": "error", "message": message, "service": "audio", **more})


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([entry("no database")], "error: no database"),
        ([entry("not ready", exception="\n".join(CHAINED)), entry("it ends")], "RuntimeError: no configuration"),
        ([entry("\n".join(CHAINED[:3])), entry("startup failed")], "KeyError: 'a'"),
        (['{"level": "info", "message": 7}', "[1, 2]"], "[1, 2]"),
    ],
)
def test_a_log_entry_in_json_is_read(lines: list[str], why: str) -> None:
    assert telling_first(lines)[0] == why


def test_who_said_nothing_has_no_last_words() -> None:
    assert telling_first(["", "  "]) == []


def test_one_line_is_the_one_that_says_why() -> None:
    assert telling_first(GO, most=1) == ["panic: runtime error: index out of range"]
