import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nova_infra.constructs.hooks import smoke_test_handler
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.ecs.lifecycle.api import EcsApi
from nova_infra.rehearsal.ecs.lifecycle.functions import Functions, is_playable
from nova_infra.rehearsal.ecs.lifecycle.hooks import GoesOn, HookCall

HERE = {"Code": {"ZipFile": "x"}, "Handler": "index.handler", "Runtime": "python3.13"}


@pytest.mark.parametrize(
    ("changes", "playable"),
    [
        ({}, True),
        ({"Code": {"S3Bucket": "b", "S3Key": "k"}}, False),
        ({"Code": {"ImageUri": "i"}}, False),
        ({"Handler": "main.handler"}, False),
        ({"Runtime": "nodejs24.x"}, False),
    ],
)
def test_a_function_whose_code_is_not_here_is_an_error_only_where_a_deployment_calls_it(
    changes: dict[str, Any], playable: bool
) -> None:
    properties = {**HERE, **changes, "FunctionName": "judge"}
    assert is_playable(properties) is playable
    functions = Functions(GoesOn(), localize=lambda value: value, next_minute=lambda: None, ecs=cast(Any, None))
    functions.put(properties, "shop.Judge")
    hook = SimpleNamespace(kind="AWS_LAMBDA", function="arn:aws:lambda:x:1:function:judge", details=None)
    call = cast(HookCall, SimpleNamespace(hook=hook, stage="POST_SCALE_UP", arn="", service="shop"))
    if playable:
        assert asyncio.run(functions.answer(call)).action == "ROLLBACK"  # What its code says is not a handler.
    else:
        with pytest.raises(UnresolvableError, match=r"shop\.Judge: a deployment calls it, and only a Python function"):
            asyncio.run(functions.answer(call))


@pytest.mark.parametrize(("desired", "action"), [(0, "CONTINUE"), (1, "ROLLBACK")])
def test_the_smoke_tests_function_learns_here_too_that_a_service_wants_no_task(desired: int, action: str) -> None:
    arn = "arn:aws:ecs:eu-west-1:111122223333:service/acme-qa/acme-qa-shop"
    service: Any = SimpleNamespace(
        name="acme-qa-shop", cluster="acme-qa", deployments=[], revision=None, desired=desired, arn=lambda _: arn
    )
    functions = Functions(
        GoesOn(), localize=lambda value: value, next_minute=lambda: None, ecs=EcsApi(lambda: [service])
    )
    source = Path(smoke_test_handler.__file__).read_text(encoding="utf-8").replace("SECONDS = 2", "SECONDS = 0")
    functions.put({**HERE, "Code": {"ZipFile": source}, "FunctionName": "smoke"}, "qa.Smoke")
    details = {"header": "x", "value": "y", "urls": ["http://127.0.0.1:1/up"], "stops": True}
    hook = SimpleNamespace(kind="AWS_LAMBDA", function="arn:aws:lambda:x:1:function:smoke", details=details)
    call = cast(HookCall, SimpleNamespace(hook=hook, stage="POST_TEST_TRAFFIC_SHIFT", arn=arn, service="shop"))
    assert asyncio.run(functions.answer(call)).action == action
