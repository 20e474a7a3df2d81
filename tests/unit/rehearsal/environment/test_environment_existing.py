"""A load balancer that no stack makes: the rehearsal stands in for its listener, from the ARN that rules name."""

import asyncio
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from helpers.existing import BALANCER, listener_arn
from nova_infra.rehearsal.clock import COMPRESSED
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.environment.load_balancers import LoadBalancers
from nova_infra.rehearsal.pipeline.precheck import StageReading

LISTENER = listener_arn("111111111111")
ELB = "AWS::ElasticLoadBalancingV2"


def platform(*, tls: bool) -> dict[str, Any]:
    resources = {
        "Certificate": {
            "Type": f"{ELB}::ListenerCertificate",
            "Properties": {"ListenerArn": LISTENER, "Certificates": [{"CertificateArn": "c"}]},
        }
    }
    topic = {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "alerts"}}}
    return {"Resources": {**topic, **(resources if tls else {})}}


def service(listener: Any = LISTENER) -> dict[str, Any]:
    group = {"Type": f"{ELB}::TargetGroup", "Properties": {"Protocol": "HTTP", "TargetType": "ip", "Port": 80}}
    targets = [{"TargetGroupArn": {"Ref": "Group"}, "Weight": 100}]
    rule = {
        "ListenerArn": listener,
        "Priority": 70,
        "Conditions": [
            {"Field": "host-header", "HostHeaderConfig": {"Values": ["shop.example.com", "*.shop.example.com"]}},
            {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/carts/*"]}},
        ],
        "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}],
    }
    return {"Resources": {"Group": group, "Rule": {"Type": f"{ELB}::ListenerRule", "Properties": rule}}}


def played(name: str, template: dict[str, Any]) -> PlayedStack:
    return PlayedStack(name, template, exports={}, revisions={})


async def ask(base: str, path: str) -> int:
    async with aiohttp.ClientSession() as client, client.get(f"{base}{path}") as answer:
        return answer.status


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_listener_of_others_is_played_for_the_hosts_of_its_rules(scheme: str) -> None:
    async def play() -> None:
        balancers = LoadBalancers({}, store=MetricStore(), pace=COMPRESSED, gateway=None)
        try:
            await balancers.apply(played("nova-dev-platform", platform(tls=scheme == "https")))
            await balancers.apply(played("nova-dev-carts", service()))
            address = balancers.localize(f"{scheme}://shop.example.com")
            assert address.startswith("http://127.0.0.1:")
            other = "http" if scheme == "https" else "https"
            assert balancers.localize(f"{other}://shop.example.com") == address, "the real host is not asked"
            assert await ask(address, "/carts/1") == 503, "nothing runs behind its rule"
            assert await ask(address, "/theirs") == 404, "what others have there is not known"
            wanted: Any = SimpleNamespace(name="carts", groups=["nova-dev-carts/Group"], rule="nova-dev-carts/Rule")
            listener, _, _ = balancers.place_of(wanted)
            assert (listener.full_name, listener.protocol) == (BALANCER, scheme.upper())
            assert await ask(listener.url, "/carts/1") == 404, "a rule with hosts is for no other host"
        finally:
            await balancers.stop()

    asyncio.run(play())


def test_services_that_are_deployed_side_by_side_share_the_listener_that_is_stood_in_for() -> None:
    async def play() -> None:
        balancers = LoadBalancers({}, store=MetricStore(), pace=COMPRESSED, gateway="127.0.0.2")
        try:
            stacks = [played(f"nova-dev-{name}", service()) for name in "abcdefgh"]
            await asyncio.gather(*map(balancers.apply, stacks))
            port = balancers.localize("http://shop.example.com").rpartition(":")[2]
            for address in ("127.0.0.1", "127.0.0.2"):
                assert await ask(f"http://{address}:{port}", "/carts/1") == 503
        finally:
            await balancers.stop()

    asyncio.run(play())


def test_a_rule_that_its_stack_no_longer_has_leads_nowhere() -> None:
    async def play() -> None:
        balancers = LoadBalancers({}, store=MetricStore(), pace=COMPRESSED, gateway=None)
        try:
            before, after = service(), service()
            del after["Resources"]["Rule"]
            kept, gone = played("nova-dev-carts", before), played("nova-dev-carts", after)
            await balancers.apply(kept)
            address = balancers.localize("http://shop.example.com")
            assert not balancers.remove(kept, kept)
            assert await ask(address, "/carts/1") == 503
            assert balancers.remove(kept, gone)
            assert await ask(address, "/carts/1") == 404
            await balancers.apply(kept)
            assert await ask(address, "/carts/1") == 503, "it is there again"
        finally:
            await balancers.stop()

    asyncio.run(play())


def test_the_report_says_what_is_stood_in_for() -> None:
    reading = StageReading()
    reading.read("nova-dev-carts", service())
    assert reading.existing == {BALANCER}


@pytest.mark.parametrize("listener", ["shared", "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/x/1"])
def test_a_rule_on_what_is_no_listener_is_refused_before_anything_starts(listener: str) -> None:
    with pytest.raises(UnresolvableError, match="is neither a listener of this environment nor the ARN of one"):
        StageReading().read("nova-dev-carts", service(listener))
