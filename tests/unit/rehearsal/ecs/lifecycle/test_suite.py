"""Gates that a suite answers in a rehearsal."""

import asyncio

from nova_infra.rehearsal.ecs.lifecycle.hooks import GoesOn, Hook, HookAnswer, HookCall
from nova_infra.rehearsal.ecs.lifecycle.suite import SuiteAnswers

TESTED = HookCall("nova-prod-shop", Hook("PAUSE", ("POST_TEST_TRAFFIC_SHIFT",)), "POST_TEST_TRAFFIC_SHIFT", 0.0)
OTHER = HookCall("nova-prod-my-shop", TESTED.hook, TESTED.stage, 0.0)


def test_only_what_is_left_to_the_suite_waits_for_it() -> None:
    async def play() -> None:
        answers = SuiteAnswers(GoesOn())
        answers.leave(["nova-prod-shop"])
        assert (await answers.answer(OTHER)).action == "CONTINUE"
        waiting = asyncio.create_task(answers.answer(TESTED))
        await asyncio.sleep(0)
        answers.settle("nova-prod-my-shop", HookAnswer("CONTINUE"))
        assert not waiting.done()
        answers.settle("nova-prod-shop", HookAnswer("ROLLBACK", "red"))
        answers.settle("nova-prod-shop", HookAnswer("CONTINUE"))  # ECS takes the first answer.
        assert (await waiting).action == "ROLLBACK"

    asyncio.run(play())


def test_time_stands_still_only_while_a_suite_runs_for_a_deployment() -> None:
    async def idle(answers: SuiteAnswers) -> bool:
        try:
            await asyncio.wait_for(answers.until_idle(), 0.01)
        except TimeoutError:
            return False
        return True

    async def play(holds_time: bool) -> list[bool]:
        answers = SuiteAnswers(GoesOn(), holds_time=holds_time)
        answers.leave(["nova-prod-shop"])
        seen = [await idle(answers)]
        waiting = asyncio.create_task(answers.answer(TESTED))
        await asyncio.sleep(0)
        seen.append(await idle(answers))
        with answers.running():
            answers.look()
            seen.append(await idle(answers))
            answers.settle("nova-prod-shop", HookAnswer("CONTINUE"))
            await waiting
            seen.append(await idle(answers))
        return seen

    assert asyncio.run(play(True)) == [True, True, False, True]
    assert asyncio.run(play(False)) == [True, True, True, True]


def test_time_stands_still_until_somebody_has_seen_that_a_deployment_waits() -> None:
    async def play() -> None:
        answers = SuiteAnswers(GoesOn(), holds_time=False)
        answers.leave(["nova-prod-shop"])
        with answers.running():
            answers.look()  # Nothing waits yet.
            waiting = asyncio.create_task(answers.answer(TESTED))
            await asyncio.sleep(0)
            held = asyncio.create_task(answers.until_idle())
            await asyncio.sleep(0)
            assert not held.done()
            answers.look()
            await held
        waiting.cancel()

    asyncio.run(play())
