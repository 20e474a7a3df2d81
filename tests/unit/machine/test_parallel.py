import asyncio
import subprocess
import sys
import threading
import time

import pytest

from nova_infra.machine.parallel import SharedQuestion, gather, threads, to_the_end


def test_results_come_in_the_order_of_the_coroutines() -> None:
    async def number(value: int, seconds: float) -> int:
        await asyncio.sleep(seconds)
        return value

    async def play() -> list[int]:
        return await gather(number(1, 0.01), number(2, 0))

    assert asyncio.run(play()) == [1, 2]


def test_when_one_fails_the_others_are_cancelled_and_waited_for() -> None:
    async def play() -> list[str]:
        story = []

        async def slow() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.01)
                story.append("cleaned up")

        async def failing() -> None:
            await asyncio.sleep(0)
            raise LookupError("why")

        with pytest.raises(LookupError, match="why"):
            await gather(slow(), failing())
        return story

    assert asyncio.run(play()) == ["cleaned up"]


def test_what_has_to_end_does_however_often_its_caller_is_cancelled() -> None:
    ended: list[str] = []

    async def clean() -> str:
        await asyncio.sleep(0.05)
        ended.append("removed")
        return "clean"

    async def whole() -> None:
        assert await to_the_end(clean()) == "clean"
        task = asyncio.create_task(to_the_end(clean()))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == ["removed", "removed"]

    asyncio.run(whole())


def test_the_fault_of_what_has_to_end_is_raised() -> None:
    async def fail() -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        asyncio.run(to_the_end(fail()))


def test_answers_come_from_as_many_threads_as_are_allowed_and_in_order() -> None:
    both = threading.Barrier(2)

    def ask(number: int) -> int:
        both.wait(30)
        return number * number

    with threads(2) as pool:
        assert list(pool.map(ask, [3, 4, 5, 6])) == [9, 16, 25, 36]


def test_what_a_question_raises_reaches_whoever_asked() -> None:
    with threads(1) as pool:
        answer = pool.submit(int, "many")
        with pytest.raises(ValueError, match="many"):
            answer.result()


def test_an_interruption_waits_for_no_answer() -> None:
    asked, answered = threading.Event(), threading.Event()

    def ask() -> None:
        asked.set()
        answered.wait(30)

    pool = threads(1)
    under_way, waiting = pool.submit(ask), pool.submit(ask)

    def interrupted() -> None:
        with pool:
            asked.wait(30)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (under_way.done(), waiting.cancelled()) == (False, True)
    answered.set()


def test_a_program_ends_while_a_question_is_under_way() -> None:
    program = "import time; from nova_infra.machine.parallel import threads; threads().submit(time.sleep, 600)"
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)


def test_a_fault_of_one_waits_for_what_the_others_have_begun() -> None:
    began, ended = threading.Event(), threading.Event()

    def change() -> None:
        began.set()
        time.sleep(0.05)
        ended.set()

    def failing() -> None:
        with threads(1) as pool:
            pool.submit(change)
            began.wait(30)
            raise LookupError

    with pytest.raises(LookupError):
        failing()
    assert ended.is_set()


def test_threads_that_have_ended_take_no_question() -> None:
    with threads(1) as pool:
        assert pool.submit(int, "7").result() == 7
    with pytest.raises(RuntimeError, match="ended"):
        pool.submit(int, "8")


def test_a_shared_question_is_asked_once_by_all_who_wait_and_again_by_who_comes_later() -> None:
    begun, asked = threading.Semaphore(0), 0

    def question() -> int:
        nonlocal asked
        assert all(begun.acquire(timeout=30) for _ in range(3))
        time.sleep(0.1)
        asked += 1
        return asked

    def ask() -> int:
        begun.release()
        return shared.ask()

    shared = SharedQuestion(question)
    with threads(3) as pool:
        waiting = [pool.submit(ask) for _ in range(3)]
    assert [each.result() for each in waiting] == [1, 1, 1]
    begun.release(3)
    assert shared.ask() == 2


def test_a_shared_question_that_failed_is_asked_again() -> None:
    answers = iter([0, 4])
    shared = SharedQuestion(lambda: 8 // next(answers))
    with pytest.raises(ZeroDivisionError):
        shared.ask()
    assert shared.ask() == 2
