"""A stack: a template with every reference replaced by a value."""

import re
from collections.abc import Mapping
from typing import Any

from nova_infra.assembly import Template
from nova_infra.names import domain_of, partition_of
from nova_infra.operations.changes.stated_values import tables
from nova_infra.rehearsal.cloudformation.intrinsics import Resolver, UnresolvableError
from nova_infra.rehearsal.cloudformation.physical import (
    STOOD_IN_FOR,
    Home,
    attribute,
    full_name_of,
    host_of,
    name_of,
    reference,
)
from nova_infra.rehearsal.cloudformation.vocabulary import ATTRIBUTES, check_properties, check_template

_OF_A_LIST = re.compile("List<|CommaDelimitedList")
_LOOKED_UP = re.compile(r"\{\{resolve:[^}]*\}\}")
_REPOSITORY = "AWS::ECR::Repository"
_PSEUDO_PARAMETERS = {"AWS::Partition": partition_of, "AWS::URLSuffix": domain_of}

# Where a resource's Ref is the name that the template gives it. Any other Ref is "<stack>/<logical id>".
_NAMED_BY = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::CompositeAlarm": "AlarmName",
    "AWS::ECS::Cluster": "ClusterName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SNS::Topic": "TopicName",
}

# Which names CloudFormation generates where the template gives none; here without the letters that make them unique.
_GENERATED = {**_NAMED_BY, "AWS::ECS::Service": "ServiceName", "AWS::CodePipeline::Pipeline": "Name"}

# Where an attribute is a property. Any other attribute is "<Ref>.<attribute>".
_ATTRIBUTE_PROPERTIES = {
    ("AWS::ECS::Service", "Name"): "ServiceName",
    ("AWS::SNS::Topic", "TopicName"): "TopicName",
    ("AWS::CloudWatch::Alarm", "Arn"): "AlarmName",
}


class PlayedStack:
    """A template, resolved.

    Attributes:
        revisions: Logical id of a task definition to ``key:number``, by which it is referred to.
        makes_up: Whether a container's variable has a made-up value for what CloudFormation looks up.
    """

    def __init__(
        self,
        name: str,
        template: Template,
        *,
        exports: Mapping[str, Any],
        revisions: Mapping[str, str],
        home: Home | None = None,
    ) -> None:
        """Prepare to resolve a template.

        Args:
            revisions: Logical id of each task definition to its ``key:number``.
            home: The account and region that it is in. Default: ones that do not exist.
        """
        check_template(template, name)
        self.name = name
        self.revisions = revisions
        self.template = template
        self.home = home or Home()
        self.makes_up = False
        self._properties: dict[str, Any] = {}
        self._resolver = Resolver(
            ref=self._ref,
            get_att=self._get_att,
            import_value=exports.__getitem__,
            conditions=template.get("Conditions", {}),
            mappings=template.get("Mappings", {}),
        )

    def resources(self, resource_type: str) -> list[str]:
        """Logical ids of the resources of a type, in the template's order."""
        return [
            logical_id
            for logical_id, resource in self.template["Resources"].items()
            if resource["Type"] == resource_type and self._exists(logical_id, resource)
        ]

    def properties(self, logical_id: str) -> dict[str, Any]:
        """A resource's properties, resolved."""
        if logical_id not in self._properties:
            resource, where = self.template["Resources"][logical_id], f"{self.name}.{logical_id}"
            resolved = self._resolver.resolve(resource.get("Properties", {}), where=where)
            if resource["Type"] == "AWS::ECS::TaskDefinition":
                self._make_up_variables(resolved)
            check_properties(resource["Type"], resolved, where)
            if key := _GENERATED.get(resource["Type"]):
                resolved.setdefault(key, f"{self.name}-{logical_id}")
            self._properties[logical_id] = resolved
        properties: dict[str, Any] = self._properties[logical_id]
        return properties

    def _make_up_variables(self, task: Mapping[str, Any]) -> None:
        """Give containers' variables made-up values for what CloudFormation looks up."""
        containers = tables(task.get("ContainerDefinitions"))
        for variable in (each for container in containers for each in tables(container.get("Environment"))):
            if isinstance(variable, dict) and _LOOKED_UP.search(str(variable.get("Value"))):
                self.makes_up = True
                variable["Value"] = _LOOKED_UP.sub("made-up", variable["Value"])

    def required(self, logical_id: str, *names: str) -> dict[str, Any]:
        """A resource's properties, resolved, once those that the rehearsal needs are known to be present."""
        properties = self.properties(logical_id)
        for name in names:
            if name not in properties:
                raise UnresolvableError(f"{self.name}.{logical_id}.{name}: is missing, but the rehearsal needs it")
        return properties

    def outputs(self) -> dict[str, Any]:
        """Name to value of every output."""
        return {
            name: self._resolver.resolve(output["Value"], where=f"{self.name}.Outputs.{name}")
            for name, output in self.template.get("Outputs", {}).items()
        }

    def exports(self) -> dict[str, Any]:
        """Export name to value of every output that is exported."""
        values, found = self.outputs(), {}
        for name, output in self.template.get("Outputs", {}).items():
            if "Export" in output:
                where = f"{self.name}.Outputs.{name}"
                export = self._resolver.resolve(output["Export"]["Name"], where=where)
                if not isinstance(export, str):
                    raise UnresolvableError(f"{where}.Export.Name: is {export!r}, which is no text: correct it")
                found[export] = values[name]
        return found

    def ref(self, logical_id: str) -> str:
        """What ``Ref`` gives for a resource."""
        return str(self._ref(logical_id))

    def serving(self, task_definition: str) -> tuple[str, int]:
        """Container and port that a load balancer's requests to one of its services go to; empty and 0 if none does."""
        for logical_id in self.resources("AWS::ECS::Service"):
            properties = self.properties(logical_id)
            if properties.get("TaskDefinition") == self.ref(task_definition):
                for balancer in properties.get("LoadBalancers", ()):
                    return str(balancer.get("ContainerName", "")), int(float(balancer.get("ContainerPort", 0)))
        return "", 0

    def physical_name(self, logical_id: str) -> str:
        """The name by which tasks use a resource that has a stand-in."""
        resource_type = self.template["Resources"][logical_id]["Type"]
        return name_of(resource_type, self.properties(logical_id), self.name, logical_id)

    def revision(self, task_definition: str) -> str:
        """What ECS calls the revision of a task definition: ``family:number``."""
        family = self.properties(task_definition).get("Family", task_definition)
        return f"{family}:{self.revisions[task_definition].rpartition(':')[2]}"

    def _exists(self, logical_id: str, resource: Mapping[str, Any]) -> bool:
        if "Condition" not in resource:
            return True
        return bool(self._resolver.resolve({"Condition": resource["Condition"]}, where=f"{self.name}.{logical_id}"))

    def _ref(self, name: str) -> Any:
        if name in _PSEUDO_PARAMETERS:
            return _PSEUDO_PARAMETERS[name](self.home.region)
        if name in ("AWS::StackName", "AWS::StackId"):
            return self.name
        if name in ("AWS::AccountId", "AWS::Region"):
            return self.home.account if name == "AWS::AccountId" else self.home.region
        if (parameter := self.template.get("Parameters", {}).get(name)) is not None:
            kind = str(parameter.get("Type"))
            if _OF_A_LIST.search(kind) and kind.startswith("AWS::SSM::"):
                raise ValueError("its value is in Systems Manager")
            if kind.startswith("AWS::SSM::Parameter::Value"):
                return f"{{{{resolve:ssm:{parameter.get('Default')}}}}}"
            default = parameter["Default"]
            return [each.strip() for each in str(default).split(",")] if _OF_A_LIST.search(kind) else default
        resource_type = self.template["Resources"][name]["Type"]
        if resource_type == "AWS::ECS::TaskDefinition":
            return self.revisions[name]
        if key := _NAMED_BY.get(resource_type):
            return self.properties(name)[key]
        if resource_type in STOOD_IN_FOR:
            return reference(resource_type, self.physical_name(name), self.home)
        if resource_type == _REPOSITORY:
            given = self.properties(name).get("RepositoryName")
            return str(given or re.sub(r"[^a-z0-9-]", "-", f"{self.name}-{name}".lower()))
        if resource_type == "AWS::ElasticLoadBalancingV2::Listener":
            # Its load balancer's metrics may be found by parts of it, as CDK does.
            return f"{self.name}:listener/{full_name_of(str(self.properties(name)['LoadBalancerArn']))}/{name}"
        return f"{self.name}/{name}"

    def _get_att(self, logical_id: str, wanted: str) -> Any:
        resource_type = self.template["Resources"][logical_id]["Type"]
        if wanted not in ATTRIBUTES.get(resource_type, (wanted,)):
            raise ValueError(f"{resource_type} has no attribute {wanted}")
        if key := _ATTRIBUTE_PROPERTIES.get((resource_type, wanted)):
            return self.properties(logical_id)[key]
        if wanted == "LoadBalancerFullName":
            return full_name_of(self._ref(logical_id))
        if wanted == "DNSName":
            return host_of(self._ref(logical_id), self.home)
        if resource_type in STOOD_IN_FOR:
            name = self.physical_name(logical_id)
            return attribute(resource_type, name, wanted, self.properties(logical_id), self.home)
        if resource_type == _REPOSITORY and wanted == "Arn":  # whose parts make an image's name
            where = f"{partition_of(self.home.region)}:ecr:{self.home.region}:{self.home.account}"
            return f"arn:{where}:repository/{self._ref(logical_id)}"
        return f"{self._ref(logical_id)}.{wanted}"
