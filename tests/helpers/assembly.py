"""A cloud assembly as the tests of the synthesis look at it."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Assembly:
    """A cloud assembly on disk.

    Attributes:
        directory: Where it is.
        templates: Stack name to template.
        texts: Stack name to template as it is written.
        order: Stack name to the names of the stacks that it is deployed after.
        acknowledgements: Construct path and finding of each acknowledgement in the code.
        protected: Names of the stacks that `cdk deploy` protects from deletion.
    """

    directory: Path
    templates: dict[str, dict[str, Any]]
    texts: dict[str, str]
    report: dict[str, Any]
    order: dict[str, set[str]]
    acknowledgements: set[tuple[str, str]]
    protected: set[str]

    def resources(self, stack: str, resource_type: str) -> dict[str, dict[str, Any]]:
        """Logical id to whole resource, of one type."""
        return {
            key: resource
            for key, resource in self.templates[stack]["Resources"].items()
            if resource["Type"] == resource_type
        }

    def properties(self, stack: str, resource_type: str) -> list[dict[str, Any]]:
        """Properties of each resource of a type."""
        return [resource.get("Properties", {}) for resource in self.resources(stack, resource_type).values()]

    def only(self, stack: str, resource_type: str) -> dict[str, Any]:
        """Properties of the one resource of a type."""
        [properties] = self.properties(stack, resource_type)
        return properties

    def statements(self, stack: str, role: str) -> list[dict[str, Any]]:
        """Statements of the policies in a stack whose roles' logical ids hold a text."""
        return [
            statement
            for policy in self.properties(stack, "AWS::IAM::Policy")
            if any(role in json.dumps(each) for each in policy["Roles"])
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def log_groups(self) -> dict[str, bool]:
        """Name of each log group that is encrypted by a key of the assembly to whether the key's policy lets it be."""
        return {
            name: any(fnmatchcase(name, pattern) for pattern in self._encryptable(stack, group["KmsKeyId"]))
            for stack in self.templates
            for key, resource in self.resources(stack, "AWS::Logs::LogGroup").items()
            if isinstance((group := resource["Properties"]).get("KmsKeyId"), dict)
            for name in [group.get("LogGroupName", f"{stack}-{key}-SUFFIX")]
        }

    def _encryptable(self, stack: str, key: dict[str, Any]) -> list[str]:
        """Names of log groups that a key is for, with wildcards, by how a stack refers to the key."""
        owner, _, output = key.get("Fn::ImportValue", f"{stack}:{key.get('Fn::GetAtt', [''])[0]}").partition(":")
        [policy] = [
            each["Properties"]["KeyPolicy"]["Statement"]
            for name, each in self.resources(owner, "AWS::KMS::Key").items()
            if name in output
        ]
        arns = [
            arn
            for statement in policy
            for arn in statement.get("Condition", {}).get("ArnLike", {}).get("kms:EncryptionContext:aws:logs:arn", [])
        ]
        return [json.dumps(arn).split(":log-group:")[1].split('"')[0] for arn in arns]

    def template(self, stack: str) -> dict[str, Any]:
        """A template that may be changed."""
        template: dict[str, Any] = json.loads(self.texts[stack])  # in a third of the time that a deep copy takes
        return template


def _unlike(name: str, place: str, known: Collection[str]) -> str:
    """A stack's name, with its account and region if another stack has that name, too, such as GitHub's roles."""
    return f"{name}-in-{place.removeprefix('aws://').replace('/', '-')}" if name in known else name


def read_assembly(directory: Path) -> Assembly:
    """Read what a synthesis has written."""
    texts: dict[str, str] = {}
    order: dict[str, set[str]] = {}
    protected: set[str] = set()
    for manifest in directory.rglob("manifest.json"):
        artifacts = json.loads(manifest.read_text())["artifacts"]
        names: dict[str, str] = {}
        for key, artifact in artifacts.items():
            if artifact["type"] == "aws:cloudformation:stack":
                name = artifact["properties"].get("stackName", key)
                names[key] = _unlike(name, artifact["environment"], {*texts, *names.values()})
        for key, name in names.items():
            texts[name] = (manifest.parent / artifacts[key]["properties"]["templateFile"]).read_text()
            if artifacts[key]["properties"].get("terminationProtection"):
                protected.add(name)
            order[name] = {names[other] for other in artifacts[key].get("dependencies", []) if other in names}
    acknowledgements = {
        (path.lstrip("/"), finding)
        for file in directory.rglob("*.metadata.json")
        for path, entries in json.loads(file.read_text()).items()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for finding in entry["data"]
    }
    report = json.loads((directory / "validation-report.json").read_text())
    templates = {name: json.loads(text) for name, text in texts.items()}
    return Assembly(directory, templates, texts, report, order, acknowledgements, protected)
