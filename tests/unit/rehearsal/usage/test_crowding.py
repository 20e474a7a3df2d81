import os

import pytest

from nova_infra.rehearsal.usage.crowding import with_others


@pytest.mark.parametrize(
    ("load", "processors", "seconds"),
    [(0.2, 4, 5.0), (4.0, 4, 5.0), (12.0, 4, 15.0), (21.0, 2, 50.0), (3.0, None, 15.0)],
)
def test_what_waits_behind_others_gets_the_time_that_it_waits(
    load: float, processors: int | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 99.0))
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    assert with_others(5) == seconds
