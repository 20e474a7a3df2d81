"""Answers that are asked once."""

import gc

from nova_infra.constructs.remembered import remembered


class _Object:
    """Something that can be referred to weakly, as CDK's objects can."""


def test_each_object_is_asked_once() -> None:
    asked: list[_Object] = []

    @remembered
    def position(of: _Object) -> int:
        asked.append(of)
        return len(asked)

    first, second = _Object(), _Object()
    assert [position(each) for each in (first, second, first, second)] == [1, 2, 1, 2]
    assert asked == [first, second]


def test_an_object_that_nobody_else_has_is_forgotten() -> None:
    ended: list[str] = []

    class Counted(_Object):
        def __del__(self) -> None:
            ended.append("gone")

    known = remembered(lambda of: type(of).__name__)
    assert (known(Counted()), gc.collect() >= 0, ended) == ("Counted", True, ["gone"])
