"""Which services a request to the environment's own address reaches, by the templates."""

from typing import Any

import pytest

from nova_infra.operations.gates.verify import leads_to

ELB = "AWS::ElasticLoadBalancingV2"
EXPORT = "nova-prod-platform:ExportsOutputRef{}Listener"


def service(*conditions: tuple[str, str, str], listener: str = "Ingress") -> dict[str, Any]:
    """A service's template, whose rule is about fields by their keys, each with a value."""
    said = [{"Field": field, key: {"Values": [value]}} for field, key, value in conditions]
    rule = {"ListenerArn": {"Fn::ImportValue": EXPORT.format(listener)}, "Conditions": said}
    return {"Resources": {"Rule": {"Type": f"{ELB}::ListenerRule", "Properties": rule}}}


def platform(url: Any) -> dict[str, Any]:
    """A platform with a load balancer for users and a private one."""
    found: dict[str, Any] = {"Resources": {}, "Outputs": {"Url": {"Value": url}}}
    for name, scheme in (("Ingress", "internet-facing"), ("PrivateIngress", "internal")):
        found["Resources"] |= {
            f"{name}Balancer": {"Type": f"{ELB}::LoadBalancer", "Properties": {"Scheme": scheme}},
            f"{name}Listener": {
                "Type": f"{ELB}::Listener",
                "Properties": {"LoadBalancerArn": {"Ref": f"{name}Balancer"}},
            },
        }
        exported = {"Value": {"Ref": f"{name}Listener"}, "Export": {"Name": EXPORT.format(name)}}
        found["Outputs"][f"Export{name}"] = exported
    return found


PATH = ("path-pattern", "PathPatternConfig", "/shop/*")
NAMED = platform("https://nova.example.com")
UNNAMED = platform({"Fn::Join": ["", ["http://", {"Fn::GetAtt": ["IngressBalancer", "DNSName"]}]]})


def host(name: str) -> tuple[str, str, str]:
    return "host-header", "HostHeaderConfig", name


@pytest.mark.parametrize(
    ("template", "where", "reached"),
    [
        (service(PATH), NAMED, True),
        (service(PATH), UNNAMED, True),
        (service(PATH, host("nova.example.com")), NAMED, True),
        (service(host("*.example.com")), NAMED, True),
        (service(PATH, host("shop.example.com")), NAMED, False),
        (service(PATH, host("shop.example.com")), UNNAMED, False),
        (service(PATH, listener="PrivateIngress"), NAMED, False),
        (service(("path-pattern", "PathPatternConfig", "/else/*")), NAMED, False),
        ({"Resources": {}}, NAMED, False),
    ],
)
def test_a_service_is_asked_where_its_rule_leads(
    template: dict[str, Any], where: dict[str, Any], reached: bool
) -> None:
    assert leads_to(template, where, "/shop/version") is reached
