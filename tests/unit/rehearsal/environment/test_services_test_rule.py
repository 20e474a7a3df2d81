"""Where requests with the tests' header go while nothing is deployed: to what users reach."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.rehearsal.clock import Clock
from nova_infra.rehearsal.cloudformation.physical import host_of
from nova_infra.rehearsal.environment.background.stand_ins import HOME
from nova_infra.rehearsal.environment.environment import PlayedEnvironment
from nova_infra.rehearsal.record import Record
from nova_infra.rehearsal.tasks.runtime import SourceRuntime

URL = f"http://{host_of('nova-prod-tiny/Balancer', HOME)}"


def with_test_rule(template: dict[str, Any]) -> dict[str, Any]:
    """The template, whose service has a rule for tests before its own, with the same target groups."""
    resources = template["Resources"]
    rule = json.loads(json.dumps(resources["Rule"]))
    header = {"HttpHeaderName": "x-nova-test", "Values": ["new-revision"]}
    rule["Properties"]["Conditions"].append({"Field": "http-header", "HttpHeaderConfig": header})
    resources["Rule"]["Properties"]["Priority"] = 2
    resources["TestRule"] = rule
    balancer = resources["Service"]["Properties"]["LoadBalancers"][0]
    balancer["AdvancedConfiguration"]["TestListenerRule"] = {"Ref": "TestRule"}
    return template


@pytest.mark.parametrize("from_alternate", one_of_each([False, True]))
def test_a_service_that_is_not_deployed_answers_requests_with_the_tests_header(
    environment_template: Callable[..., Any], sources: Path, from_alternate: bool
) -> None:
    template = with_test_rule(environment_template("nova-prod", release="one"))

    async def play() -> list[int]:
        record = Record("pipe", "candidate", "baseline", [])
        environment = PlayedEnvironment(
            "Prod", record=record, tell=lambda _: None, runtime=SourceRuntime(), clock=Clock(seconds_per_minute=0.1)
        )
        async with environment:
            await environment.deploy(
                "nova-prod-tiny", template, sources=sources, baseline=True, from_alternate=from_alternate
            )
            [service] = environment.services()
            assert service.serves_from_alternate is from_alternate
            address = f"{environment.localize(URL)}/tiny/version"
            return [
                await asyncio.to_thread(status, address, headers) for headers in ({}, {"x-nova-test": "new-revision"})
            ]

    assert asyncio.run(asyncio.wait_for(play(), 60)) == [200, 200]


def status(address: str, headers: dict[str, str]) -> int:
    """The status that an address answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)
