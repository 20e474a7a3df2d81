"""How sure the share of noticed mutants is, by how many were tried, and which tests a mutant meets."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from helpers.exhaustive import one_of_each
from helpers.scripts import SCRIPTS, load_script

Interval = Callable[[int, int], tuple[float, float]]


@pytest.fixture
def interval(monkeypatch: pytest.MonkeyPatch) -> Interval:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return cast(Interval, load_script("mutants").interval)


@pytest.mark.parametrize(("noticed", "total"), one_of_each([(56, 58), (95, 100), (9, 10), (1, 4), (300, 300)]))
def test_at_each_end_of_the_interval_the_share_would_be_as_far_off_as_chance_allows(
    interval: Interval, noticed: int, total: int
) -> None:
    """Which is what defines Wilson's interval: the share is 1.96 standard deviations of the end from the end."""
    low, high = (end / 100 for end in interval(noticed, total))
    share = noticed / total
    for end in (low, high):
        assert abs(share - end) == pytest.approx(1.96 * (end * (1 - end) / total) ** 0.5, abs=1e-6)
    assert low < share <= high + 1e-9


def test_where_nothing_was_tried_any_share_may_be_true(interval: Interval) -> None:
    assert interval(0, 0) == (0.0, 100.0)


def test_a_mutant_meets_its_own_tests_then_its_room_and_then_whatever_imports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quickest first, no module twice, and none that does not reach it."""
    files = {
        "nova_infra/checks/alarms.py": "",
        "nova_infra/checks/rules.py": "from nova_infra.checks import alarms",
        "nova_infra/config.py": "",
        "tests/helpers/rules.py": "def found():\n    import nova_infra.checks.rules",
        "tests/unit/checks/test_alarms_faults.py": "",
        "tests/unit/checks/test_alarmsome.py": "",
        "tests/unit/checks/test_direct.py": "from nova_infra.checks.alarms import anything",
        "tests/unit/checks/test_rules.py": "import nova_infra.checks.rules",
        "tests/unit/test_checks_together.py": "",
        "tests/unit/config/test_config.py": "import nova_infra.config",
        "tests/unit/config/test_far.py": "from helpers.rules import found",
        "tests/unit/test_habits.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(SCRIPTS))
    mutants = load_script("mutants")
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    room = "tests/unit/checks/test"
    seconds = {f"{room}_direct.py": 1.0, f"{room}_alarms_faults.py": 2.0, f"{room}_alarmsome.py": 3.0}
    assert list(mutants.batches(Path("nova_infra/checks/alarms.py"), seconds)) == [
        [f"{room}_direct.py", f"{room}_alarms_faults.py"],
        [f"{room}_rules.py", "tests/unit/test_checks_together.py", "tests/unit/test_habits.py", f"{room}_alarmsome.py"],
        ["tests/unit/config/test_far.py"],
    ]
