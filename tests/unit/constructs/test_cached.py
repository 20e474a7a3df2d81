"""Answers that are asked once."""

import gc
from typing import Any

import pytest

from nova_infra.constructs.cached import cached, execution_role, group_id, node_of, vpc_of


class _Object:
    """Something that can be referred to weakly, as CDK's objects can."""


def test_each_object_is_asked_once() -> None:
    asked: list[_Object] = []

    @cached
    def position(of: _Object) -> int:
        asked.append(of)
        return len(asked)

    first, second = _Object(), _Object()
    assert [position(each) for each in (first, second, first, second)] == [1, 2, 1, 2]
    assert asked == [first, second]


@pytest.mark.exhaustive("test_each_object_is_asked_once")
def test_an_object_that_nobody_else_has_is_forgotten() -> None:
    ended: list[str] = []

    class Counted(_Object):
        def __del__(self) -> None:
            ended.append("gone")

    known = cached(lambda of: type(of).__name__)
    assert (known(Counted()), gc.collect() >= 0, ended) == ("Counted", True, ["gone"])


class _Asked:
    """Something of CDK's that counts the questions it is asked."""

    def __init__(self) -> None:
        self.questions: list[str] = []

    def __getattr__(self, name: str) -> str:
        self.questions.append(name)
        return f"its {name}"

    def obtain_execution_role(self) -> str:
        return self.__getattr__("obtain_execution_role")


@pytest.mark.parametrize(
    ("ask", "question"),
    [
        (node_of, "node"),
        (vpc_of, "vpc"),
        (group_id, "security_group_id"),
        (execution_role, "obtain_execution_role"),
    ],
)
def test_what_several_constructs_want_to_know_is_asked_once(ask: Any, question: str) -> None:
    asked = _Asked()
    assert [ask(asked), ask(asked)] == [f"its {question}"] * 2
    assert asked.questions == [question]
