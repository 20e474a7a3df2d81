"""A cloud assembly as the tests of the synthesis look at it."""

import json
from dataclasses import dataclass
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

    def template(self, stack: str) -> dict[str, Any]:
        """A template that may be changed."""
        template: dict[str, Any] = json.loads(self.texts[stack])  # in a third of the time that a deep copy takes
        return template


def read_assembly(directory: Path) -> Assembly:
    """Read what a synthesis has written."""
    texts: dict[str, str] = {}
    order: dict[str, set[str]] = {}
    protected: set[str] = set()
    for manifest in directory.rglob("manifest.json"):
        artifacts = json.loads(manifest.read_text())["artifacts"]
        names = {
            key: artifact["properties"].get("stackName", key)
            for key, artifact in artifacts.items()
            if artifact["type"] == "aws:cloudformation:stack"
        }
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
