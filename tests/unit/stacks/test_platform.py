"""The platform's stack by itself, without the services' stacks that read it."""

import json
from pathlib import Path
from types import ModuleType

from nova_infra.config import Config

ROOT = Path(__file__).parents[3]


def test_what_services_read_is_exported_whether_or_not_one_does(app: ModuleType, config: Config) -> None:
    """The platform is deployed first: an export that goes with its last reader is still read then, and AWS refuses."""
    from aws_cdk.assertions import Template

    from nova_infra.stacks.platform import PlatformStack

    environment = config.environments[0]
    bare = app.cdk.App(context=json.loads((ROOT / "cdk.json").read_text())["context"])
    stack = PlatformStack(bare, "Platform", prefix="nova-dev", config=config, environment=environment, group={})
    outputs = Template.from_stack(stack).to_json()["Outputs"].values()
    exported = json.dumps([output["Value"] for output in outputs if "Export" in output])
    for resource in ("IngressLoadBalancerListener", "IngressGroup", "Cluster"):
        assert resource in exported, resource
    for attribute in ("DNSName", "LoadBalancerFullName", "CanonicalHostedZoneID"):
        assert attribute in exported, attribute
