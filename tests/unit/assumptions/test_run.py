"""A run tells every row, and removes what it made: at its end, when it is interrupted, and when credentials go."""

from threading import Event, Lock
from typing import Any

import pytest

from helpers.sandbox import GROUND, SandboxAccount
from nova_infra.assumptions.run import InterruptedCleaningError, prove, refuse_account
from nova_infra.assumptions.sandbox.clean import clean
from nova_infra.assumptions.sandbox.experiment import Experiment, Reading
from nova_infra.assumptions.sandbox.stacks import TAG, LeftoversError, UndecidedError
from nova_infra.assumptions.sandbox.templates import resource, template
from nova_infra.errors import AwsError, RefusedError

PARAMETER = template({"Parameter": resource("AWS::SSM::Parameter", {"Type": "String", "Value": "a"})})
EXPIRED = AwsError("credentials: AWS rejects them for a call: sign in again")


def experiment(name: str, read: Any, *, ground: bool = False) -> Experiment:
    return Experiment(name, (f"row-of-{name}",), 3, read, ground=ground)


def holds(sandbox: Any) -> Any:
    sandbox.deploy(PARAMETER)
    yield Reading(f"row-of-{sandbox.name}", "held", "as claimed")


def run(account: SandboxAccount, *chosen: Experiment) -> tuple[list[Reading], list[str]]:
    told: list[str] = []
    return prove(account, chosen, notify=told.append, pause=account.pause), told


def strangers() -> dict[str, Any]:
    return {"status": "CREATE_COMPLETE", "tags": [], "outputs": {}, "template": "", "deployed": 1}


def ours(name: str, status: str = "CREATE_COMPLETE") -> dict[str, dict[str, Any]]:
    return {f"nova-prove-{name}": {**strangers(), "status": status, "tags": [{"Key": TAG, "Value": name}]}}


def test_a_run_reports_every_row_and_removes_only_its_own() -> None:
    account = SandboxAccount()
    account.stacks["nova-prove-of-somebody"] = strangers()
    found, told = run(account, experiment("a", holds), experiment("b", holds, ground=True))
    assert {(each.row, each.verdict) for each in found} == {("row-of-a", "held"), ("row-of-b", "held")}
    assert {"row-of-a: held: as claimed", "row-of-b: held: as claimed"} <= set(told)
    assert list(account.stacks) == ["nova-prove-of-somebody"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (UndecidedError("a task did not come within 3 minutes"), "a task did not come within 3 minutes"),
        (EXPIRED, "sign in again"),
        (KeyError("services"), "an unexpected form"),
    ],
)
def test_an_experiment_that_cannot_go_on_leaves_its_row_undecided_and_the_others_alone(
    fault: UndecidedError | AwsError | KeyError, said: str
) -> None:
    def fails(_: Any) -> Any:
        raise fault
        yield

    account = SandboxAccount()
    found, _ = run(account, experiment("a", fails), experiment("b", holds))
    by_row = {each.row: each for each in found}
    assert by_row["row-of-a"].verdict == "undecided"
    assert said in by_row["row-of-a"].line
    assert "could not be decided, because" in by_row["row-of-a"].line
    assert by_row["row-of-b"].verdict == "held"
    assert account.stacks == {}


def test_without_the_shared_ground_every_row_is_undecided() -> None:
    account = SandboxAccount()
    account.ends["ground"] = ["CREATE_FAILED"]
    account.failure = {"LogicalResourceId": "Network", "ResourceStatusReason": "The maximum number of VPCs is reached"}
    found, _ = run(account, experiment("a", holds, ground=True))
    assert [each.verdict for each in found] == ["undecided"]
    assert "The maximum number of VPCs is reached" in found[0].said
    assert account.stacks == {}


def test_an_interruption_ends_what_waits_and_removes_everything() -> None:
    account, begun, ended = SandboxAccount(), Event(), []

    def waits(sandbox: Any) -> Any:
        sandbox.deploy(PARAMETER)
        begun.set()
        try:
            while True:
                sandbox.sleep(0.001)
        finally:
            ended.append(sandbox.name)
        yield

    def interrupted(sandbox: Any) -> Any:
        sandbox.deploy(PARAMETER)
        assert begun.wait(10)
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        run(account, experiment("a", waits), experiment("b", interrupted))
    assert ended == ["a"]
    assert account.stacks == {}


class CutAccount(SandboxAccount):
    """An account whose caller is interrupted at one of its calls, before or after it takes effect."""

    def __init__(self, place: int, *, takes_effect: bool) -> None:
        super().__init__()
        self._place, self._takes_effect, self._counting = place, takes_effect, Lock()
        self.cut = False

    def call(self, service: str, operation: str, /, **arguments: Any) -> dict[str, Any]:
        with self._counting:
            self._place -= 1
            here = self._place == 0
        self.cut = self.cut or here
        if here and not self._takes_effect:
            raise KeyboardInterrupt
        answer = super().call(service, operation, **arguments)
        if here:
            raise KeyboardInterrupt
        return answer


@pytest.mark.parametrize("takes_effect", [False, True])
def test_whichever_call_is_interrupted_nothing_is_left_that_is_not_reported(takes_effect: bool) -> None:
    said = set()
    for place in range(1, 100):
        account = CutAccount(place, takes_effect=takes_effect)
        try:
            run(account, experiment("a", holds), experiment("b", holds, ground=True))
        except InterruptedCleaningError as error:
            said.add("named" if "nova prove --clean" in str(error) else str(error))
            clean(account, pause=account.pause)
        except KeyboardInterrupt:
            said.add("removed")
        assert account.stacks == {}, place
        if not account.cut:
            break
    assert said == {"named", "removed"}
    assert not account.cut, "every call was interrupted"


def test_credentials_that_are_lost_are_no_loss_of_what_was_made() -> None:
    """The run says what is left and how to remove it, and a second one with credentials finds it."""
    account = SandboxAccount()

    def loses(sandbox: Any) -> Any:
        sandbox.deploy(PARAMETER)
        account.answers["describe_stacks"] = account.answers["delete_stack"] = refuse
        sandbox.deploy(PARAMETER | {"Description": "a second time"})
        yield

    def refuse(**_: Any) -> Any:
        raise EXPIRED

    with pytest.raises(LeftoversError, match="sign in again: sign in to the account and run `nova prove --clean"):
        run(account, experiment("a", loses))
    assert list(account.stacks) == ["nova-prove-a"]
    account.answers.clear()
    assert clean(account, pause=account.pause) == ["nova-prove-a"]
    assert account.stacks == {}


def test_a_second_interruption_says_that_something_is_left() -> None:
    account = SandboxAccount()

    def interrupted(**_: Any) -> Any:
        raise KeyboardInterrupt

    account.answers["delete_stack"] = interrupted
    with pytest.raises(InterruptedCleaningError, match="nova prove --clean") as caught:
        run(account, experiment("a", holds))
    assert caught.value.exit_code == 130


def test_what_another_run_has_left_is_no_ground_for_a_new_one() -> None:
    account = SandboxAccount()
    account.stacks |= ours("a")
    with pytest.raises(RefusedError, match=r"nova-prove-a: another run made this.*--clean"):
        run(account, experiment("b", holds))
    assert list(account.stacks) == ["nova-prove-a"]


def test_the_ground_is_removed_last_and_its_tasks_are_stopped_before() -> None:
    account = SandboxAccount()
    order: list[str] = []
    account.stacks |= ours("ground") | ours("z")
    account.answers["list_tasks"] = {"taskArns": ["arn:aws:ecs:task/1"]}

    def stop(task: str, **_: Any) -> dict[str, Any]:
        order.append(task)
        return {}

    account.answers["stop_task"] = stop

    def delete(StackName: str) -> dict[str, Any]:  # noqa: N803
        order.append(StackName)
        del account.stacks[StackName]
        return {}

    account.answers["delete_stack"] = delete
    clean(account, pause=account.pause)
    assert order == ["nova-prove-z", "arn:aws:ecs:task/1", "nova-prove-ground"]


def test_a_stack_that_cannot_be_removed_is_named_and_keeps_the_ground() -> None:
    account = SandboxAccount()
    account.stacks |= ours("a") | ours("b") | ours("ground")
    account.stays = {"nova-prove-a"}
    with pytest.raises(LeftoversError) as caught:
        clean(account, pause=account.pause)
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["nova-prove-a", "nova-prove-ground"]
    assert set(account.stacks) == {"nova-prove-a", "nova-prove-ground"}
    assert account.calls["delete_stack"] == 1 + 3  # of b once; of a once, and twice more


def test_an_update_under_way_is_cancelled_before_its_stack_is_removed() -> None:
    account = SandboxAccount()
    account.stacks |= ours("a", status="UPDATE_IN_PROGRESS")

    def cancel(StackName: str) -> dict[str, Any]:  # noqa: N803
        account.stacks[StackName]["status"] = "UPDATE_ROLLBACK_COMPLETE"
        return {}

    account.answers["cancel_update_stack"] = cancel
    assert clean(account, pause=account.pause) == ["nova-prove-a"]
    assert account.calls["cancel_update_stack"] == 1
    assert account.stacks == {}


@pytest.mark.parametrize(
    ("account", "signed_in", "said"),
    [
        (None, None, "--account: not given"),
        ("111111111111", None, "nova.toml delivers to 111111111111"),
        ("555555555555", "666666666666", "the credentials are of 666666666666"),
    ],
)
def test_an_account_that_is_no_sandbox_is_refused(account: str | None, signed_in: str | None, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        refuse_account(account, {"111111111111"}, signed_in=signed_in)


def test_a_sandbox_is_taken() -> None:
    refuse_account("555555555555", {"111111111111"}, signed_in="555555555555")


def test_the_ground_of_tests_has_what_the_template_gives() -> None:
    from nova_infra.assumptions.sandbox.templates import ground

    assert set(ground()["Outputs"]) == set(GROUND)
