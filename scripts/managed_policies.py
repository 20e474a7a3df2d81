"""Writes what AWS's own policies allow, as far as the rules ask for it, from moto's copy of them.

Each line has a policy's name, and for each set of resources the actions on them: those that are no reading, and those
that read secrets or users' data. What a machine, a function or a task does only for itself is left out. Of most
services every change counts alike: several are one pattern, on anything. Conditions and denials are left out, so a
policy may allow less. A name that says that it only reads is believed, because not all verbs of reading are known.
Run it after an update of moto: ``python scripts/managed_policies.py``. A test compares the two.
"""

import json
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from nova_infra.checks.permissions.attached import READS_BY_NAME
from nova_infra.checks.permissions.protected import CONTENTS, CREDENTIALS, OF_ITSELF, PARAMETERS, READING
from nova_infra.checks.permissions.statements import contains, overlap
from nova_infra.checks.rule import as_list

LIST = Path(__file__).parents[1] / "nova_infra" / "checks" / "permissions" / "managed_policies.txt"
_OWN_CONFIGURATION = "arn:aws:ssm:*:*:parameter/AmazonCloudWatch-*"
"""The configuration of AWS's CloudWatch agent: what it collects."""
_ONE_BY_ONE = (
    *("iam", "sts", "s3", "kms", "ssm", "secretsmanager", "logs", "ecr", "signer", "sqs", "sns", "dynamodb", "kinesis"),
    *("firehose", "events", "lambda", "states", "codebuild", "cloudwatch", "codeconnections", "codestar-connections"),
)
"""Services of which one action may lead further than another one does."""
_NOWHERE_ELSE = ("logs:Create", "logs:Put")
"""What nobody may do in another account, whatever its resource says of one."""
_SEVERAL = 3
_MANY = 4


def policies() -> dict[str, Any]:
    """The document of each policy by its name."""
    source = metadata.distribution("moto").locate_file("moto/iam/aws_managed_policies.py")
    found: dict[str, Any] = json.loads(Path(str(source)).read_text(encoding="utf-8").split('"""')[1])
    attached = {name: each for name, each in found.items() if "aws-service-role" not in each.get("Path", "")}
    return {name: each["Document"] for name, each in attached.items()}


def listed() -> str:
    """A line for each policy."""
    return "".join(f"{' '.join([name, *_allowed(name, each)])}\n" for name, each in sorted(policies().items()))


def _allowed(name: str, document: Any) -> Iterator[str]:
    on: dict[tuple[str, ...], dict[str, None]] = {}
    for action, resources in _counting(document, reads=READS_BY_NAME.fullmatch(name) is not None):
        on.setdefault(resources, {})[action] = None
    anything = on.pop(("*",), {})
    for service in dict.fromkeys(each.partition(":")[0] for each in anything):
        actions = [each for each in anything if each.startswith(f"{service}:")]
        if len(actions) > _SEVERAL and service not in _ONE_BY_ONE:
            anything = {f"{service}:*": None, **{each: None for each in anything if each not in actions}}
    if anything:
        yield "*" if "*" in anything else ",".join(sorted(anything))
    for resources, found in sorted(on.items()):
        if left := sorted({*found} - {*anything}):
            yield f"{','.join(left)}@{','.join(resources)}"


def _counting(document: Any, *, reads: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each action that counts, and the resources that it is limited to."""
    for statement in (each for each in as_list(document["Statement"]) if each["Effect"] == "Allow"):
        for action in as_list(statement.get("Action", "*")):
            known = (*READING, *OF_ITSELF)
            changes = not reads and not any(contains(each.lower(), action.lower()) for each in known)
            if changes or any(overlap(each.lower(), action.lower()) for each in (*CONTENTS, *CREDENTIALS, *PARAMETERS)):
                resources = sorted(as_list(statement.get("Resource", "*")))
                exact = action.lower().partition(":")[0] in _ONE_BY_ONE and not action.startswith(_NOWHERE_ELSE)
                if not exact or (len(resources) > _MANY and not _decides(action)):
                    resources = ["*"]
                found = (each for each in resources if changes or each != _OWN_CONFIGURATION)
                if left := [re.sub(r"\$\{[^}]*\}", "*", each) for each in found]:
                    yield action, tuple(left)


def _decides(action: str) -> bool:
    """Whether what an action is done to decides everything, however many things that are."""
    return action.lower().startswith(("iam:", "sts:"))


if __name__ == "__main__":
    LIST.write_text(listed(), encoding="utf-8")
