"""The function by which the services of a release wait for one another, against ECS's answers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from nova_infra.constructs.hooks import release_group_handler
from nova_infra.constructs.hooks.release_group_handler import handler

FUNCTION = "arn:aws:lambda:us-east-1:333333333333:function:acme-live-together"
ECS = "arn:aws:ecs:us-east-1:333333333333"
BEGAN = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
COME = [{"hookId": "h", "targetType": "AWS_LAMBDA", "targetArn": FUNCTION, "status": "IN_PROGRESS"}]
ASKED = [{"hookId": "g", "targetType": "PAUSE", "status": "AWAITING_ACTION"}]
TESTED = [{"hookId": "t", "targetType": "AWS_LAMBDA", "targetArn": f"{FUNCTION}-not", "status": "IN_PROGRESS"}]


def deploying(stage: str = "SCALE_UP", *, hooks: Any = (), percent: float = 0, status: str = "IN_PROGRESS") -> Any:
    weight = {"requestedProductionTrafficWeight": percent}
    return {
        "status": status,
        "lifecycleStage": stage,
        "lifecycleHookDetails": list(hooks),
        "targetServiceRevision": weight,
        "createdAt": BEGAN,
    }


def running(tag: str, *ended: timedelta) -> Any:
    """A service that is not being deployed, and since when its failed deployments are over."""
    return {"tag": tag, "ended": [{"status": "ROLLBACK_SUCCESSFUL", "finishedAt": BEGAN + each} for each in ended]}


class Ecs:
    """Answers for the services of a test, through the real client's validation of questions and answers."""

    def __init__(self, client: Any, services: dict[str, Any]) -> None:
        self.client, self.services = client, services

    def __getattr__(self, operation: str) -> Any:
        def call(**question: Any) -> Any:
            with Stubber(self.client) as stub:
                stub.add_response(operation, getattr(self, f"_{operation}")(question), question)
                return getattr(self.client, operation)(**question)

        return call

    def _describe_services(self, question: Any) -> Any:
        assert len(question["services"]) <= 10
        found = []
        for name in question["services"]:
            if (state := self.services.get(name)) is None:
                continue
            under_way = {"currentServiceDeployment": f"{ECS}:service-deployment/{name}"} if "status" in state else {}
            revisions = [{"arn": f"{ECS}:service-revision/{name}"}]
            found.append({"serviceName": name, "currentServiceRevisions": revisions, **under_way})
        return {"services": found}

    def _describe_service_deployments(self, question: Any) -> Any:
        assert len(question["serviceDeploymentArns"]) <= 20
        return {
            "serviceDeployments": [
                {"serviceDeploymentArn": arn, **self.services[arn.rpartition("/")[2]]}
                for arn in question["serviceDeploymentArns"]
            ]
        }

    def _describe_service_revisions(self, question: Any) -> Any:
        assert len(question["serviceRevisionArns"]) <= 20
        return {
            "serviceRevisions": [
                {
                    "serviceRevisionArn": arn,
                    "containerImages": [
                        {"containerName": "sidecar", "image": "registry/other:own"},
                        {"containerName": "app", "image": f"registry:5000/x:{self.services[name].get('tag', 'old')}"},
                    ],
                }
                for arn in question["serviceRevisionArns"]
                if (name := arn.rpartition("/")[2])
            ]
        }

    def _list_service_deployments(self, question: Any) -> Any:
        found = [each for each in self.services[question["service"]]["ended"] if each["status"] in question["status"]]
        return {"serviceDeployments": found[: question["maxResults"]]}


@pytest.fixture(scope="module")
def client() -> Any:
    return boto3.client("ecs", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")


@pytest.fixture
def answer(client: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """What the function says of ``own``, whose release has other services, too."""

    def ask(services: dict[str, Any], own: Any = None) -> dict[str, Any]:
        mine = own or deploying("PRE_PRODUCTION_TRAFFIC_SHIFT", hooks=COME)
        monkeypatch.setattr(release_group_handler, "RELEASE", dict.fromkeys(["own", *services], "new"))
        ecs = Ecs(client, {name: state for name, state in {"own": mine, **services}.items() if state is not None})
        monkeypatch.setattr("boto3.client", lambda *_, **__: ecs)
        event = {"executionDetails": {"serviceArn": f"{ECS}:service/acme-live/own"}, "hookDetails": {}}
        return handler(event, SimpleNamespace(invoked_function_arn=FUNCTION))

    return ask


WAITS = {"hookStatus": "IN_PROGRESS", "callBackDelay": 30}
GOES_ON = {"hookStatus": "SUCCEEDED"}
GOES_BACK = {"hookStatus": "FAILED"}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (deploying(), WAITS),
        (deploying("POST_TEST_TRAFFIC_SHIFT", hooks=TESTED), WAITS),
        (deploying("POST_SCALE_UP", hooks=ASKED), WAITS),
        (deploying("PRE_PRODUCTION_TRAFFIC_SHIFT", hooks=[*COME, *ASKED]), WAITS),
        (None, WAITS),  # it does not exist yet
        (running("old"), WAITS),  # its stack has not come to it yet
        (running("old", timedelta(minutes=-3)), WAITS),  # it went back in an earlier try
        (deploying("PRE_PRODUCTION_TRAFFIC_SHIFT", hooks=COME), GOES_ON),
        (deploying("POST_TEST_TRAFFIC_SHIFT", hooks=COME), GOES_ON),
        (deploying("PRODUCTION_TRAFFIC_SHIFT", percent=10), GOES_ON),
        (deploying("BAKE_TIME", percent=100), GOES_ON),
        (running("new"), GOES_ON),  # nothing to deploy, or done already
        (deploying(status="ROLLBACK_IN_PROGRESS"), GOES_BACK),
        (deploying(status="STOP_REQUESTED"), GOES_BACK),
        (running("old", timedelta(minutes=2)), GOES_BACK),
        (running("new", timedelta(minutes=2)), GOES_BACK),  # the same image, with other settings
    ],
)
def test_a_service_waits_continues_or_rolls_back_as_another_one_does(
    answer: Callable[..., dict[str, Any]], other: dict[str, Any] | None, said: dict[str, Any]
) -> None:
    assert answer({"other": other}) == said


@pytest.mark.parametrize(
    ("other", "said"), [(deploying(), GOES_ON), (deploying(status="ROLLBACK_IN_PROGRESS"), GOES_BACK)]
)
def test_before_a_later_step_it_waits_for_nobody_and_rolls_back_all_the_same(
    answer: Callable[..., dict[str, Any]], other: dict[str, Any], said: dict[str, str]
) -> None:
    assert answer({"other": other}, deploying("PRE_PRODUCTION_TRAFFIC_SHIFT", percent=10)) == said


def test_one_of_several_failed_deployments_is_enough(answer: Callable[..., dict[str, Any]]) -> None:
    began_before_this_one = [timedelta(minutes=minutes) for minutes in (-9, -8, -7, -6, 2)]
    assert answer({"other": running("new", *began_before_this_one)}) == GOES_BACK


def test_it_names_the_services_that_it_waits_for(
    answer: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    answer({"done": running("new"), "slow": deploying(), "new": None})
    assert capsys.readouterr().out == "together: waits for slow, new\n"


def test_many_services_ask_less_often(answer: Callable[..., dict[str, Any]]) -> None:
    said = answer({f"s{number}": deploying() for number in range(44)})
    assert said == {"hookStatus": "IN_PROGRESS", "callBackDelay": 90}


def test_one_that_ecs_does_not_know_rolls_back(answer: Callable[..., dict[str, Any]]) -> None:
    assert answer({"other": running("new")}, running("new")) == GOES_BACK


def test_forty_services_are_asked_for_in_as_few_calls_as_ecs_allows(
    answer: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    original = Ecs.__getattr__

    def counting(ecs: Ecs, operation: str) -> Any:
        asked.append(operation)
        return original(ecs, operation)

    monkeypatch.setattr(Ecs, "__getattr__", counting)
    answer({f"s{number}": deploying() for number in range(39)})
    assert asked == ["describe_services"] * 4 + ["describe_service_deployments"] * 2
    asked.clear()
    answer({f"s{number}": running("old") for number in range(40)})
    assert asked.count("describe_service_revisions") == 2
