"""``services/<name>/infrastructure.py``: a service's own resources, plain CDK in the service's stack."""

import hashlib
import importlib.util
import json
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs

from nova_infra.checks.acknowledge import acknowledge_own_policy
from nova_infra.config import Config
from nova_infra.constructs.observability.encryption_key import LOGS_STATEMENT
from nova_infra.constructs.tasks.task import FargateTask
from nova_infra.errors import ConfigError
from nova_infra.names import CONTAINER, encrypted_log_groups, platform_stack_name
from nova_infra.stacks.platform import PlatformStack

FILE = "infrastructure.py"

# What holds data that nothing else has. Others are made again from their template.
_KEPT = (
    "AWS::Cognito::UserPool",
    "AWS::DocDB::",
    "AWS::DynamoDB::",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::ElastiCache::",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::MemoryDB::",
    "AWS::Neptune::",
    "AWS::OpenSearchService::Domain",
    "AWS::RDS::",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
    "AWS::SQS::Queue",
    "AWS::SSM::Parameter",
)
_NOT_KEPT = ("AWS::S3::BucketPolicy",)
_RULES = (ec2.CfnSecurityGroupIngress, ec2.CfnSecurityGroupEgress)
_CONTENT = (
    *("group_id", "source_security_group_id", "destination_security_group_id", "cidr_ip", "cidr_ipv6"),
    *("source_prefix_list_id", "destination_prefix_list_id", "ip_protocol", "from_port", "to_port"),
)
_OF_CDK = re.compile(r"(from|to) \w+:.+")
"""How CDK names and describes a security group's rule, by the path of a construct; some ports are words, as UDP 53."""


@dataclass(frozen=True)
class ServiceResources:
    """What ``resources(service)`` is given.

    Attributes:
        prefix: Prefix of physical names: ``<platform>-<environment>-<service>``.
        task_role: The role of its code, for grants: ``table.grant_read_write_data(service.task_role)``.
        security_group: Its tasks' group, for connections:
            ``database.connections.allow_default_port_from(service.security_group)``.
    """

    name: str
    environment: str
    prefix: str
    stack: cdk.Stack
    task_role: iam.IRole
    vpc: ec2.IVpc
    security_group: ec2.ISecurityGroup
    key: kms.IKey
    container: ecs.ContainerDefinition

    def add_variable(self, name: str, value: str) -> None:
        """Give the service's container an environment variable, such as the name of a table."""
        self.container.add_environment(name, value)

    def add_secret(self, name: str, secret: ecs.Secret) -> None:
        """Give the service's container an environment variable whose value is secret."""
        self.container.add_secret(name, secret)


Extension = Callable[[ServiceResources], object]


def load_extensions(root: Path, config: Config) -> dict[str, Extension]:
    """The services' own resources, by the services' names."""
    found: dict[str, Extension] = {}
    for service in config.services:
        path = root / "services" / service.name / FILE
        if path.is_file():
            found[service.name] = _load(path, service.name)
    return found


def _load(path: Path, name: str) -> Extension:
    spec = importlib.util.spec_from_file_location(f"nova_infrastructure_of_{name.replace('-', '_')}", path)
    assert spec is not None, "it ends in .py"
    assert spec.loader is not None, "it ends in .py"
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _fault(error, name) from None
    resources = getattr(module, "resources", None)
    if not callable(resources):
        raise ConfigError(f"services/{name}/{FILE}: defines no resources(service): define it, or remove the file")
    extension: Extension = resources
    return extension


def extend(
    extension: Extension,
    stack: cdk.Stack,
    task: FargateTask,
    *,
    name: str,
    environment: str,
    platform: PlatformStack,
    security_group: ec2.ISecurityGroup,
) -> None:
    """Make a service's own resources in its stack, and keep those that hold data when the stack goes."""
    container = task.definition.find_container(CONTAINER)
    assert container is not None, "every task has it"
    before = {each.node.path for each in stack.node.find_all()}
    try:
        extension(
            ServiceResources(
                name=name,
                environment=environment,
                prefix=stack.stack_name,
                stack=stack,
                task_role=task.definition.task_role,
                vpc=platform.cluster.vpc,
                security_group=security_group,
                key=platform.key,
                container=container,
            )
        )
    except Exception as error:
        raise _fault(error, name) from None
    acknowledge_own_policy(task.definition.task_role)  # what the file grants
    made = [each for each in stack.node.find_all() if each.node.path not in before]
    _settle([each for each in made if isinstance(each, cdk.CfnResource)], task, platform, name)


def _settle(made: list[cdk.CfnResource], task: FargateTask, platform: PlatformStack, service: str) -> None:
    """Keep what holds data, name the rules, and let the service's task wait for both."""
    definition = task.definition.node.default_child
    assert isinstance(definition, cdk.CfnResource)
    names = set[str]()
    for construct in made:
        if isinstance(construct, logs.CfnLogGroup) and construct.log_group_name is not None:
            if construct.cfn_options.deletion_policy == cdk.CfnDeletionPolicy.RETAIN:
                _keep(construct)
            _check_encryption(construct, platform, service)
        if _holds_data(construct):
            _keep(construct)
        elif isinstance(construct, _RULES):
            _name_by_content(construct, service, names)
        else:
            continue
        # A task may know it by its name alone, such as a worker its queue, and must not start before it, nor before it
        # may connect.
        definition.add_resource_dependency(construct)


def _name_by_content(
    rule: ec2.CfnSecurityGroupIngress | ec2.CfnSecurityGroupEgress, service: str, taken: set[str]
) -> None:
    """Name a rule that CDK named by a path, which differs between a direct deployment and one through the pipeline.

    After a change of way, the same rule under another name would be made before the old one goes: EC2 refuses that. It
    refuses the same rule twice as well, which is the planner's to say: the second one keeps its name.
    """
    if not _OF_CDK.fullmatch(rule.node.id):
        return
    if _OF_CDK.fullmatch(rule.description or ""):
        rule.description = f"{service}: tasks"
    content = cdk.Stack.of(rule).resolve([getattr(rule, each, None) for each in _CONTENT])
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    name = f"{rule.cfn_resource_type.rpartition('::')[2]}{digest[:8].upper()}"
    if name not in taken:
        rule.override_logical_id(name)
        taken.add(name)


def _check_encryption(group: logs.CfnLogGroup, platform: PlatformStack, service: str) -> None:
    """Refuse a log group that CloudWatch Logs may not encrypt with the environment's key, by the key's own policy."""
    name = str(group.log_group_name)
    if group.kms_key_id != platform.key.key_arn or cdk.Token.is_unresolved(name):
        return
    patterns = encrypted_log_groups(platform.stack_name.removesuffix(platform_stack_name("")))
    if not any(fnmatchcase(name, pattern) for pattern in patterns) and not _is_granted_to_logs(platform.key):
        raise ConfigError(
            f"services/{service}/{FILE}: the log group {name!r} is encrypted with service.key, which is only for the "
            f'environment\'s groups: name it f"{{service.prefix}}-…", leave its name to CloudFormation, use no key, or '
            "let CloudWatch Logs use this one by service.key.add_to_resource_policy(…)"
        )


def _is_granted_to_logs(key: kms.Key) -> bool:
    """Whether a service's file has let CloudWatch Logs use the key, too: for which groups is then the file's to say."""
    policy = key.node.default_child
    assert isinstance(policy, kms.CfnKey)
    statements = cdk.Stack.of(key).resolve(policy.key_policy)["Statement"]
    others = [each.get("Principal", {}) for each in statements if each.get("Sid") != LOGS_STATEMENT]
    return any(each in ("*", {"AWS": "*"}) or "logs." in str(each) for each in others)


def _holds_data(resource: cdk.CfnResource) -> bool:
    kind = resource.cfn_resource_type
    return kind.startswith(_KEPT) and kind not in _NOT_KEPT


def _keep(resource: cdk.CfnResource) -> None:
    # CDK itself writes that a queue is deleted and that a table is retained, so what the file says of these cannot be
    # distinguished. Plain Retain would keep the name of what a failed first deployment made, and block the next one.
    is_kept = resource.cfn_options.deletion_policy in (None, cdk.CfnDeletionPolicy.RETAIN)
    if is_kept or resource.cfn_resource_type == "AWS::SQS::Queue":
        resource.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)


def _fault(error: Exception, name: str) -> ConfigError:
    """Where in the file it went wrong, and why, in one line."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(FILE)]
    if isinstance(error, SyntaxError):
        lines = [error.lineno or 0]
    where = f", line {lines[-1]}" if lines else ""
    said = " ".join(str(error).split())[:300]
    return ConfigError(f"services/{name}/{FILE}{where}: {type(error).__name__}: {said}: fix it")
