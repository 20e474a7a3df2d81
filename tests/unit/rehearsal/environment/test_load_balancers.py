"""Whom the rules of a load balancer are for, by where it is."""

import asyncio
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from nova_infra.rehearsal.clock import COMPRESSED
from nova_infra.rehearsal.cloudformation.physical import Home, host_of
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.environment.load_balancers import LoadBalancers
from nova_infra.rehearsal.load_balancer.network import NetworkLoadBalancer

ELB = "AWS::ElasticLoadBalancingV2"
NOT_FOUND = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
IPAM = {"Ipv4IpamPoolId": "ipam-pool-1", "Ipv4NetmaskLength": 16}


def network(**properties: Any) -> dict[str, Any]:
    parameters = {"Range": {"Type": "String"}}
    return {"Parameters": parameters, "Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": properties}}}


def platform(source: str, **balancer: Any) -> dict[str, Any]:
    rule = {
        "ListenerArn": {"Ref": "Listener"},
        "Priority": 9,
        "Conditions": [{"Field": "source-ip", "SourceIpConfig": {"Values": [source]}}],
        "Actions": [NOT_FOUND],
    }
    listener = {"LoadBalancerArn": {"Ref": "Balancer"}, "Port": 80, "Protocol": "HTTP", "DefaultActions": [NOT_FOUND]}
    return {
        "Resources": {
            "Balancer": {"Type": f"{ELB}::LoadBalancer", "Properties": balancer},
            "Listener": {"Type": f"{ELB}::Listener", "Properties": listener},
            "Rule": {"Type": f"{ELB}::ListenerRule", "Properties": rule},
        }
    }


@pytest.mark.parametrize(
    ("balancer", "vpc", "source", "users"),
    [
        ({"Scheme": "internal"}, {"CidrBlock": "10.7.0.0/16"}, "10.0.0.0/8", True),
        ({"Scheme": "internal"}, {"CidrBlock": "10.7.0.0/16"}, "10.7.3.0/24", True),
        ({"Scheme": "internal"}, {"CidrBlock": "10.7.0.0/16"}, "10.8.0.0/16", True),
        ({"Scheme": "internal"}, {"CidrBlock": "10.7.0.0/16"}, "198.51.100.0/24", False),
        ({"Scheme": "internal"}, {"CidrBlock": "198.51.100.0/24"}, "198.51.100.0/25", True),
        ({"Scheme": "internal"}, IPAM, "192.168.4.0/22", True),
        ({"Scheme": "internal"}, {"CidrBlock": {"Ref": "Range"}}, "172.20.0.0/16", True),
        ({"Scheme": "internal"}, IPAM, "fd00::/8", True),
        ({"Scheme": "internal"}, IPAM, "198.51.100.0/24", False),
        ({"Scheme": "internet-facing"}, {"CidrBlock": "10.7.0.0/16"}, "10.0.0.0/8", False),
        ({}, {"CidrBlock": "10.7.0.0/16"}, "0.0.0.0/0", True),
    ],
)
def test_users_of_an_internal_load_balancer_have_private_addresses(
    balancer: dict[str, Any], vpc: dict[str, Any], source: str, users: bool
) -> None:
    async def play() -> None:
        balancers = LoadBalancers({}, store=MetricStore(), pace=COMPRESSED, gateway=None)
        try:
            for name, template in (("net", network(**vpc)), ("web", platform(source, **balancer))):
                await balancers.apply(PlayedStack(name, template, exports={}, revisions={}))
            rule = balancers.rule_named("web/Rule")
            assert rule is not None
            assert rule.matches("host", "/") is users
        finally:
            await balancers.stop()

    asyncio.run(play())


def test_a_load_balancer_has_one_name_in_cloudwatch_however_a_template_finds_it() -> None:
    """CDK takes it from parts of the ARN, ``…:listener/app/<name>/<id>/<id>``, for metrics of a target group."""
    template = platform("10.0.0.0/8")
    parts = [{"Fn::Select": [n, {"Fn::Split": ["/", {"Ref": "Listener"}]}]} for n in (1, 2, 3)]
    template["Outputs"] = {
        "Given": {"Value": {"Fn::GetAtt": ["Balancer", "LoadBalancerFullName"]}},
        "Found": {"Value": {"Fn::Join": ["/", parts]}},
    }
    stack = PlayedStack("web", template, exports={}, revisions={})
    assert stack.outputs()["Found"] == stack.outputs()["Given"] == "app/web/Balancer"


@pytest.mark.parametrize(
    ("port", "names", "host"),
    [
        (80, [], "web-0424345710.eu-north-1.elb.amazonaws.com"),
        (8080, [], "web-0424345710.eu-north-1.elb.amazonaws.com:8080"),
        (80, ["*.example.jp.", "shop.example.jp.", "www.example.jp."], "shop.example.jp"),
    ],
)
def test_users_name_the_domain_that_leads_to_it_or_its_own_name(port: int, names: list[str], host: str) -> None:
    template = platform("0.0.0.0/0")
    template["Resources"]["Group"] = {"Type": f"{ELB}::TargetGroup", "Properties": {}}
    forward = {"Type": "forward", "TargetGroupArn": {"Ref": "Group"}}
    template["Resources"]["Listener"]["Properties"] |= {"Port": port, "DefaultActions": [forward]}
    shop: Any = SimpleNamespace(name="shop", rule=None, groups=["web/Group"])
    for number, name in enumerate(names):
        alias = {"DNSName": {"Fn::GetAtt": ["Balancer", "DNSName"]}, "HostedZoneId": "Z1"}
        record = {"Name": name, "Type": "A", "AliasTarget": alias}
        template["Resources"][f"Record{number}"] = {"Type": "AWS::Route53::RecordSet", "Properties": record}

    async def play() -> None:
        balancers = LoadBalancers({}, store=MetricStore(), pace=COMPRESSED, gateway=None)
        try:
            stack = PlayedStack("web", template, exports={}, revisions={}, home=Home(region="eu-north-1"))
            await balancers.apply(stack)
            listener, *_ = balancers.place_of(shop)
            assert listener.public_host == host
        finally:
            await balancers.stop()

    asyncio.run(play())


def test_a_listener_that_gets_a_domain_is_reached_by_it_and_by_its_new_protocol_alone() -> None:
    before = platform("0.0.0.0/0")
    after = platform("0.0.0.0/0")
    balancer = {"Ref": "Balancer"}
    redirect = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
    alias = {"DNSName": {"Fn::GetAtt": ["Balancer", "DNSName"]}, "HostedZoneId": "Z1"}
    secure = {"Port": 443, "Protocol": "HTTPS"}
    plain = {"LoadBalancerArn": balancer, "Port": 80, "Protocol": "HTTP", "DefaultActions": [redirect]}
    record = {"Name": "shop.example.jp.", "Type": "A", "AliasTarget": alias}
    after["Resources"]["Listener"]["Properties"] |= secure
    # The template's order is nobody's promise: the new one may come before the one that leaves port 80.
    redirects = {"Redirect": {"Type": f"{ELB}::Listener", "Properties": plain}}
    after["Resources"] = (
        redirects | after["Resources"] | {"Record": {"Type": "AWS::Route53::RecordSet", "Properties": record}}
    )

    async def play() -> None:
        balancers = LoadBalancers({}, store=MetricStore(), pace=COMPRESSED, gateway=None)
        home = Home(region="eu-north-1")
        own = "web-0424345710.eu-north-1.elb.amazonaws.com"
        try:
            await balancers.apply(PlayedStack("web", before, exports={}, revisions={}, home=home))
            here = balancers.localize(f"http://{own}")
            await balancers.apply(PlayedStack("web", after, exports={}, revisions={}, home=home))
            assert balancers.localize("https://shop.example.jp") == balancers.localize(f"https://{own}") == here
            assert balancers.localize(f"http://{own}") not in (here, f"http://{own}")
            async with aiohttp.ClientSession() as client, client.get(balancers.localize(f"http://{own}")) as answer:
                assert (str(answer.url), answer.status) == (f"{here}/", 404)
        finally:
            await balancers.stop()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("protocol", "port", "known", "unknown"),
    [
        ("TCP", 80, "http://{}", "ftp://{}"),
        ("TCP", 5432, "https://{}:5432", "http://{}"),
        ("TLS", 443, "https://{}", "http://{}"),
    ],
)
def test_a_network_load_balancer_is_known_by_what_may_be_spoken_over_it(
    protocol: str, port: int, known: str, unknown: str
) -> None:
    listener = {"LoadBalancerArn": {"Ref": "Balancer"}, "Protocol": protocol, "Port": port}
    listener["DefaultActions"] = [{"Type": "forward", "TargetGroupArn": {"Ref": "Group"}}]
    group = {"Protocol": "TCP", "TargetType": "ip", "Port": 80}
    template = {
        "Resources": {
            "Balancer": {"Type": f"{ELB}::LoadBalancer", "Properties": {"Type": "network"}},
            "Group": {"Type": f"{ELB}::TargetGroup", "Properties": group},
            "Listener": {"Type": f"{ELB}::Listener", "Properties": listener},
        }
    }

    async def play() -> None:
        balancers = LoadBalancers({}, store=MetricStore(), pace=COMPRESSED, gateway=None)
        stack = PlayedStack("mail", template, exports={}, revisions={})
        try:
            await balancers.apply(stack)
            wanted: Any = SimpleNamespace(name="mail", groups=["mail/Group"], rule=None)
            found, rule, [its_group] = balancers.place_of(wanted)
            host = host_of(stack.ref("Balancer"), stack.home)
            assert balancers.localize(known.format(host)) == found.url
            assert balancers.localize(unknown.format(host)) == unknown.format(host)
            assert isinstance(found, NetworkLoadBalancer)
            assert rule.choose() is its_group
        finally:
            await balancers.stop()

    asyncio.run(play())


@pytest.mark.parametrize(("filtered", "status"), [("Balancer", 403), ("Another", 404)])
def test_a_firewall_stands_before_the_load_balancer_that_it_is_for(filtered: str, status: int) -> None:
    template = platform("0.0.0.0/0")
    group = {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}
    rules = [{"Name": "common", "Priority": 0, "Statement": {"ManagedRuleGroupStatement": group}}]
    placed = {"ResourceArn": {"Ref": filtered}, "WebACLArn": {"Fn::GetAtt": ["Acl", "Arn"]}}
    template["Resources"] |= {
        "Another": template["Resources"]["Balancer"],
        "Acl": {"Type": "AWS::WAFv2::WebACL", "Properties": {"Rules": rules}},
        "Placed": {"Type": "AWS::WAFv2::WebACLAssociation", "Properties": placed},
    }

    async def play() -> tuple[list[int], list[str]]:
        balancers, found = LoadBalancers({}, store=MetricStore(), pace=COMPRESSED, gateway=None), []
        try:
            for _ in range(2):
                await balancers.apply(PlayedStack("web", template, exports={}, revisions={}))
                url = balancers.localize("http://" + host_of("web/Balancer", Home()))
                async with (
                    aiohttp.ClientSession(skip_auto_headers=["User-Agent"]) as client,
                    client.get(f"{url}/nobody") as answer,
                ):
                    found.append(answer.status)
                template["Resources"].pop("Placed", None)  # The next release has no firewall.
            return found, balancers.refused()
        finally:
            await balancers.stop()

    assert asyncio.run(play()) == ([status, 404], ["1 request (NoUserAgent_HEADER)"] if status == 403 else [])
