"""Writes the list of AWS's own policies that change nothing that an approval protects, from moto's copy of them.

Each line has a policy's name and what it reads of secrets or of users' data: the action, and after an ``@`` what it is
limited to. A name that says that it only reads is believed, because not all verbs of reading are known. Run it after an
update of moto: ``python scripts/managed_policies.py``. A test compares the two.
"""

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from nova_infra.checks.permissions.attached import READS_BY_NAME
from nova_infra.checks.permissions.protected import CONTENTS, CREDENTIALS, HARMLESS, PARAMETERS
from nova_infra.checks.permissions.statements import contains, overlap
from nova_infra.checks.rule import as_list

LIST = Path(__file__).parents[1] / "nova_infra" / "checks" / "permissions" / "managed_policies.txt"
# What AWS's agents report of the machine that they run on, and a function's or a task's own place in its network.
_OF_ITSELF = (
    *("ssmmessages:*", "ec2messages:*", "ssm:PutInventory", "ssm:PutComplianceItems", "ssm:PutConfigurePackageResult"),
    *("ssm:UpdateInstanceInformation", "ssm:UpdateAssociationStatus", "ssm:UpdateInstanceAssociationStatus"),
    *("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:*assignPrivateIpAddresses"),
    *("ec2:CreateNetworkInterfacePermission", "logs:PutRetentionPolicy", "ecr:BatchImportUpstreamImage"),
    *("kinesis:SubscribeToShard", "logs:StartQuery", "logs:StopQuery", "iam:Generate*"),
)
_OWN_CONFIGURATION = "arn:aws:ssm:*:*:parameter/AmazonCloudWatch-*"
"""The configuration of AWS's CloudWatch agent: what it collects."""


def policies() -> dict[str, Any]:
    """The document of each policy by its name."""
    source = metadata.distribution("moto").locate_file("moto/iam/aws_managed_policies.py")
    found: dict[str, Any] = json.loads(Path(str(source)).read_text(encoding="utf-8").split('"""')[1])
    attached = {name: each for name, each in found.items() if "aws-service-role" not in each.get("Path", "")}
    return {name: each["Document"] for name, each in attached.items()}


def listed() -> str:
    """A line for each policy that changes nothing."""
    lines = []
    for name, document in sorted(policies().items()):
        reads = {*_counting(document)}
        if None not in reads or READS_BY_NAME.fullmatch(name):
            lines.append(" ".join([name, *sorted(each for each in reads if each)]))
    return "\n".join(lines) + "\n"


def _counting(document: Any) -> Iterator[str | None]:
    """What it reads that may be a secret or somebody's data; None for whatever changes something."""
    for statement in (each for each in as_list(document["Statement"]) if each["Effect"] == "Allow"):
        for action in map(str.lower, as_list(statement.get("Action", "*"))):
            if not any(contains(each.lower(), action) for each in (*HARMLESS, *_OF_ITSELF)):
                yield None
            if any(overlap(each.lower(), action) for each in (*CONTENTS, *CREDENTIALS, *PARAMETERS)):
                resources = [each for each in as_list(statement.get("Resource", "*")) if each != _OWN_CONFIGURATION]
                yield from (action if each == "*" else f"{action}@{each}" for each in resources)


if __name__ == "__main__":
    LIST.write_text(listed(), encoding="utf-8")
