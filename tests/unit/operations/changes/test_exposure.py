"""What of a change lets somebody reach more."""

from typing import Any

import pytest

from helpers.changes import Resource, resource, template, told
from nova_infra.operations.changes.differences import Kind


def rule(**values: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/16", **values}


def group(*ingress: Any, **properties: Any) -> Resource:
    return resource(
        "EC2::SecurityGroup", {"SecurityGroupIngress": list(ingress), "SecurityGroupEgress": [], **properties}
    )


GROUP_ID = {"Fn::GetAtt": ["G", "GroupId"]}


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        pytest.param(
            template(G=group(rule())),
            template(G=group(rule(), rule(FromPort=22, ToPort=22))),
            "G lets tcp port 22 in from 10.0.0.0/16",
            id="a port",
        ),
        pytest.param(
            template(G=group(rule())),
            template(G=group(rule(CidrIp="0.0.0.0/0"))),
            "G lets tcp port 443 in from everyone (0.0.0.0/0)",
            id="a wider network",
        ),
        pytest.param(
            template(G=group(rule())),
            template(G=group(rule(FromPort=1, ToPort=1024))),
            "G lets tcp 1-1024 in from 10.0.0.0/16",
            id="a wider range",
        ),
        pytest.param(
            template(G=group()),
            template(G=group(), I=resource("EC2::SecurityGroupIngress", {"GroupId": GROUP_ID, **rule()})),
            "G lets tcp port 443 in from 10.0.0.0/16",
            id="a rule of its own",
        ),
        pytest.param(
            template(G=group(rule(), SecurityGroupEgress=[rule()])),
            template(G=resource("EC2::SecurityGroup", {"SecurityGroupIngress": [rule()]})),
            "G lets all traffic out to everyone (0.0.0.0/0)",
            id="no outbound rules at all let everything out",
        ),
        pytest.param(
            template(G=group(rule())),
            template(G=group(rule(CidrIp={"Ref": "Network"}))),
            "G lets tcp port 443 in from ${Network}",
            id="a network that cannot be compared",
        ),
        pytest.param(
            template(L=resource("ElasticLoadBalancingV2::LoadBalancer", {"Scheme": "internal"})),
            template(L=resource("ElasticLoadBalancingV2::LoadBalancer")),
            "L can be reached from the internet",
            id="a load balancer without a scheme",
        ),
        pytest.param(
            template(S=resource("EC2::Subnet", {"MapPublicIpOnLaunch": False})),
            template(S=resource("EC2::Subnet", {"MapPublicIpOnLaunch": True})),
            "S gives what starts in it a public address",
            id="public addresses in a subnet",
        ),
        pytest.param(
            template(S=resource("ECS::Service")),
            template(
                S=resource(
                    "ECS::Service", {"NetworkConfiguration": {"AwsvpcConfiguration": {"AssignPublicIp": "ENABLED"}}}
                )
            ),
            "S gives its tasks public addresses",
            id="public addresses of tasks",
        ),
        pytest.param(
            template(L=resource("ElasticLoadBalancingV2::Listener", {"Port": 443, "Protocol": "HTTPS"})),
            template(L=resource("ElasticLoadBalancingV2::Listener", {"Port": 80, "Protocol": "HTTP"})),
            "L answers HTTP on port 80",
            id="a listener without TLS",
        ),
        pytest.param(
            template(W=resource("WAFv2::WebACLAssociation")),
            template(),
            "W no longer filters requests by firewall rules",
            id="no firewall",
        ),
        pytest.param(
            template(),
            template(R=resource("EC2::Route", {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": {"Ref": "I"}})),
            "R routes 0.0.0.0/0 through an internet gateway",
            id="a way to the internet",
        ),
        pytest.param(
            template(A=resource("EC2::NetworkAclEntry", {"RuleAction": "deny", "CidrBlock": "0.0.0.0/0"})),
            template(),
            "A no longer denies what it did",
            id="a network ACL",
        ),
    ],
)
def test_what_opens_the_network_is_reported(before: dict[str, Any], after: dict[str, Any], says: str) -> None:
    assert says in told(before, after, Kind.OPENS_NETWORK)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            [rule(), rule(FromPort=80, ToPort=80)], [rule(FromPort=80, ToPort=80), rule()], id="another order"
        ),
        pytest.param([rule()], [rule(CidrIp="10.0.1.0/24")], id="a part of the network"),
        pytest.param([rule(FromPort=0, ToPort=65535)], [rule()], id="a part of the range"),
        pytest.param([rule(IpProtocol="-1")], [rule()], id="one protocol of all"),
        pytest.param([rule()], [rule(IpProtocol="6")], id="a protocol by its number"),
        pytest.param([rule()], [rule(FromPort="443", ToPort="443")], id="ports as text"),
        pytest.param([rule()], [], id="closed"),
    ],
)
def test_a_rule_that_an_older_one_covers_opens_nothing(before: list[Any], after: list[Any]) -> None:
    assert told(template(G=group(*before)), template(G=group(*after)), Kind.OPENS_NETWORK) == []


def test_a_listener_that_only_redirects_opens_nothing() -> None:
    redirect = {"Port": 80, "Protocol": "HTTP", "DefaultActions": [{"Type": "redirect"}]}
    after = template(L=resource("ElasticLoadBalancingV2::Listener", redirect))
    assert told(template(), after, Kind.OPENS_NETWORK) == []
