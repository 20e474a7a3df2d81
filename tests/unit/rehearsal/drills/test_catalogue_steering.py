"""The page on steering names what shows each of its promises: those drills and tests exist."""

import re
from pathlib import Path

from nova_infra.rehearsal.drills.catalogue import DRILLS

ROOT = Path(__file__).parents[4]


def test_what_shows_a_promise_exists() -> None:
    page = (ROOT / "docs" / "steering.md").read_text(encoding="utf-8")
    section = page.partition("## What shows it")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| ")][1:]
    drills = {name for _, named, _ in rows for name in re.findall(r"[a-z-]+", named)}
    steering = {
        d.name for d in DRILLS if d.gated or d.tested or d.suite or d.answers != "go on" or d.group == "together"
    }
    assert drills == steering
    tests = re.findall(r"`(\w+/[\w/]+\.py)`", section)
    assert len(tests) > len(rows)
    assert [test for test in tests if not (ROOT / "tests" / "unit" / test).is_file()] == []
