"""Remembers answers of CDK that never change: each question costs a message to CDK's Node process."""

import functools
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

_Object = TypeVar("_Object")
_Answer = TypeVar("_Answer")


def remembered(ask: Callable[[_Object], _Answer]) -> Callable[[_Object], _Answer]:
    """A function of one object of CDK's that asks once for each object, and forgets the object when nobody else has it.

    Args:
        ask: The function. Its answer must never change.
    """
    answers: WeakKeyDictionary[_Object, _Answer] = WeakKeyDictionary()

    @functools.wraps(ask)
    def answer(of: _Object) -> _Answer:
        if of not in answers:
            answers[of] = ask(of)
        return answers[of]

    return answer
