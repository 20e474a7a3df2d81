"""Facts about resource types: which properties force a replacement, and which types hold data.

Which properties can only be set when a resource is created is in AWS's resource schemas. ``resource_types.json`` is
drawn from those that cfn-lint ships, for every type in us-east-1: reading it takes milliseconds, where cfn-lint would
be one more dependency, of 70 MB, on every laptop that asks for a brief. ``make docs`` writes it, and a test fails when
it is not what the installed schemas say.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

# Types that hold data or what cannot be had again, beside those that cfn-lint lists for its rule I3011
# (https://github.com/aws-cloudformation/cfn-lint, StatefulResources.json).
_FURTHER_STATEFUL = {
    "AWS::Cassandra::Table",
    "AWS::ECR::Repository",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::MemoryDB::Cluster",
    "AWS::RDS::GlobalCluster",
    "AWS::Route53::HostedZone",
    "AWS::S3Express::DirectoryBucket",
    "AWS::SSM::Parameter",
    "AWS::Timestream::Table",
}


_ALWAYS = dict.fromkeys(("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"), ("KeySchema",))
"""What replaces a resource under any condition, although its schema speaks of some: no table can change its key."""
_NEVER = {
    "AWS::RDS::DBInstance": (
        *("AutoMinorVersionUpgrade", "BackupRetentionPeriod", "DBParameterGroupName", "MultiAZ"),
        "PreferredMaintenanceWindow",
    )
}
"""What its schema calls a condition of a replacement, and RDS changes in place:
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html."""


@dataclass(frozen=True)
class ResourceType:
    """What a change of a resource of one type does.

    Attributes:
        replaced_by: Properties whose change always replaces the resource, as paths with slashes.
        perhaps_replaced_by: Properties whose change replaces it under conditions that AWS's schema does not state.
    """

    replaced_by: tuple[str, ...] = ()
    perhaps_replaced_by: tuple[str, ...] = ()
    stateful: bool = False
    known: bool = True


def resource_type(name: str) -> ResourceType:
    """The facts about a type, such as ``AWS::S3::Bucket``."""
    table = _table()
    entry = table["types"].get(name)
    stateful = name in table["stateful"]
    if entry is None:
        return ResourceType(stateful=stateful, known=False)
    always, perhaps = entry
    perhaps = [each for each in perhaps if each not in _NEVER.get(name, ())]
    return ResourceType((*always, *_ALWAYS.get(name, ())), tuple(perhaps), stateful)


@cache
def _table() -> dict[str, Any]:
    file = resources.files(__package__) / "resource_types.json"
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return table


def drawn_from_schemas() -> str:
    """The content of ``resource_types.json``, one line a type, from the schemas of the installed cfn-lint."""
    data = resources.files("cfnlint.data")

    def read(path: str) -> Any:
        return json.loads((data / path).read_text(encoding="utf-8"))

    lines = []
    for name, schema_id in sorted(read("schemas/providers/us-east-1.json").items()):
        schema = read(f"schemas/resources/{schema_id}.json")
        paths = (
            sorted(path.removeprefix("/properties/") for path in schema.get(key, []))
            for key in ("createOnlyProperties", "conditionalCreateOnlyProperties")
        )
        lines.append(f"{json.dumps(name)}:{json.dumps(list(paths), separators=(',', ':'))}")
    stateful = sorted({*read("AdditionalSpecs/StatefulResources.json")["ResourceTypes"], *_FURTHER_STATEFUL})
    types = ",\n".join(lines)
    return f'{{"stateful":{json.dumps(stateful)},\n"types":{{\n{types}\n}}}}\n'


if __name__ == "__main__":
    print(drawn_from_schemas(), end="")
