"""What a change of the configuration must not do to what is deployed already."""

from collections.abc import Callable
from typing import Any

import pytest

from helpers.assembly import Assembly
from helpers.exhaustive import one_of_each
from nova_infra.config import parse_config

PLATFORM = "nova-dev-platform"


@pytest.fixture
def dev(raw: dict[str, Any], synthesize: Callable[..., Assembly]) -> Callable[..., Any]:
    """Synthesizes Dev with one service: dev(key=value of the environment, …)."""

    def run(**changes: Any) -> Assembly:
        raw["services"] = raw["services"][:1]
        raw["environments"] = [{**raw["environments"][0], **changes}]
        return synthesize(parse_config(raw), environment="dev")

    return run


def exports(assembly: Assembly, stack: str = PLATFORM) -> dict[str, Any]:
    return {
        output["Export"]["Name"]: output["Value"]
        for output in assembly.templates[stack]["Outputs"].values()
        if "Export" in output
    }


CHANGES: dict[str, dict[str, Any]] = {
    "a domain": {"allow_plain_http": False, "domain": {"name": "dev.example.com", "zone_id": "Z0123456789"}},
    "a third zone": {"network": {"cidr": "10.10.0.0/16", "zones": ["a", "b", "c"]}},
    "no NAT gateways": {
        "network": {
            "cidr": "10.10.0.0/16",
            "nat_gateways": 0,
            "interface_endpoints": ["ecr.api", "ecr.dkr", "logs"],
        }
    },
    "a firewall and a shell": {"waf": True, "exec": True},
}


@pytest.mark.exhaustive(
    "test_app.py::test_only_the_task_definition_depends_on_the_image_tag_which_is_by_default_that_of_the_content"
)
@pytest.mark.parametrize("changes", one_of_each(CHANGES.values()), ids=CHANGES)
def test_what_services_read_from_the_platform_stays_when_the_configuration_gains(
    dev: Callable[..., Assembly], changes: dict[str, Any]
) -> None:
    before, after = dev(), dev(**changes)
    # CloudFormation removes no export that is read, and the platform is deployed before those who read it.
    assert exports(before).items() <= exports(after).items()
    for kind in ("AWS::EC2::Subnet", "AWS::ElasticLoadBalancingV2::TargetGroup", "AWS::ECS::Service"):
        for stack in before.templates:
            assert before.resources(stack, kind).keys() <= after.resources(stack, kind).keys()
    for key, subnet in before.resources(PLATFORM, "AWS::EC2::Subnet").items():
        assert (
            after.resources(PLATFORM, "AWS::EC2::Subnet")[key]["Properties"]["CidrBlock"]
            == (subnet["Properties"]["CidrBlock"])
        )


def test_the_redirect_waits_until_the_listener_has_left_port_80(dev: Callable[..., Assembly]) -> None:
    listeners = dev(**CHANGES["a domain"]).resources(PLATFORM, "AWS::ElasticLoadBalancingV2::Listener")
    ports = {resource["Properties"]["Port"]: (key, resource) for key, resource in listeners.items()}
    assert ports[443][0] in ports[80][1]["DependsOn"]


@pytest.mark.exhaustive(
    "test_app.py::test_only_the_task_definition_depends_on_the_image_tag_which_is_by_default_that_of_the_content"
)
def test_a_removed_service_takes_nothing_from_the_others(
    raw: dict[str, Any], synthesize: Callable[..., Assembly]
) -> None:
    both, one = (
        synthesize(parse_config({**raw, "services": raw["services"][:count]}), environment="dev") for count in (2, 1)
    )
    kept = "nova-dev-carts-service"
    assert one.texts[kept] == both.texts[kept]
    assert exports(both).items() <= exports(one).items()
