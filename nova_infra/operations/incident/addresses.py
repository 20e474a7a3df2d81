"""``nova open``: links to an environment's address, the console, the dashboard."""

from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.documents.model import Document, Section, Table
from nova_infra.errors import RefusedError
from nova_infra.names import CLUSTER_OUTPUT, cluster_name


def places(environment: ObservedEnvironment) -> Document:
    """A row for its address, and for AWS's console and dashboard of it."""
    name = environment.stack_name("platform")
    platform = next(iter(environment.stacks([name])), None)
    if platform is None or "Url" not in platform.outputs:
        raise RefusedError(f"environment: {environment.name!r} has no address: {name} is not deployed: deploy it first")
    # arn:<partition>:cloudformation:<region>:<account>:stack/…
    _, partition, _, region, *_ = platform.arn.split(":")
    host = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}.get(
        partition, "console.aws.amazon.com"
    )
    console = f"https://{region}.{host}"
    prefix = environment.prefix
    cluster = cluster_name(prefix, platform.outputs.get(CLUSTER_OUTPUT))
    rows = (
        ("address", platform.outputs["Url"]),
        ("services", f"{console}/ecs/v2/clusters/{cluster}/services?region={region}"),
        ("stacks", f"{console}/cloudformation/home?region={region}#/stacks?filteringText={prefix}-"),
        ("dashboard", f"{console}/cloudwatch/home?region={region}#dashboards/dashboard/{prefix}"),
    )
    return Document(sections=(Section("", (Table(rows),)),))
