"""``nova doctor --first``: what no template holds: OIDC provider, service-linked roles, zones, placeholders."""

from collections.abc import Iterator

from nova_infra.config import Config, Environment, Notifications
from nova_infra.config.values.fields import aws_regions
from nova_infra.config.values.regions import has_notification_rules
from nova_infra.deployed.protocol import Account
from nova_infra.deployed.stack import Stack
from nova_infra.errors import NovaError
from nova_infra.names import GITHUB_ISSUER, environment_prefix, github_stack_name, platform_stack_name
from nova_infra.operations.doctor.check import Check, not_known
from nova_infra.operations.doctor.leftovers import leftovers, settings_of_others
from nova_infra.operations.gates.problems import removal

# AWS makes each with the first resource that needs it, and that one now and then fails because the role is not there
# yet: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html and its siblings.
_ROLES = {
    "AWSServiceRoleForECS": "ecs.amazonaws.com",
    "AWSServiceRoleForElasticLoadBalancing": "elasticloadbalancing.amazonaws.com",
    "AWSServiceRoleForApplicationAutoScaling_ECSService": "ecs.application-autoscaling.amazonaws.com",
}
_FIREWALL_ROLE = {"AWSServiceRoleForWAFV2Logging": "wafv2.amazonaws.com"}
# AWS makes it with the first notification rule, which is refused meanwhile, for up to 15 minutes: aws/aws-cdk#34406.
_NOTIFICATIONS_ROLE = {"AWSServiceRoleForCodeStarNotifications": "codestar-notifications.amazonaws.com"}

_CHAT_REGION = "us-east-2"
"""Amazon Q Developer in chat applications is asked in few regions, and answers for all:
https://docs.aws.amazon.com/general/latest/gr/chatbot.html."""


def left_to_fill_in(text: str) -> Iterator[Check]:
    """What a ``nova.toml`` marks with TODO, as a new project's does. Only a placeholder is surely a fault."""
    for number, line in enumerate(text.splitlines(), start=1):
        if what := line.partition("# TODO ")[2]:
            right = False if "placeholder" in what else None
            yield Check(right, f"line {number} is marked TODO: {what}", "fill it in, and remove the mark")


def first_in_environment(config: Config, environment: Environment, access: Account) -> Iterator[Check]:
    """An environment's account: zones, service-linked roles, what is in the way, the firewall, GitHub's provider."""
    yield _zones(environment, access)
    for role, service in {**_ROLES, **(_FIREWALL_ROLE if environment.waf else {})}.items():
        yield _service_linked_role(role, service, access)
    yield from workspace(environment.notifications, access)
    yield from leftovers(config, environment, access)
    if aws_regions()[environment.region] == "aws-us-gov":
        yield Check(
            None, "GitHub's claims in STS, and canaries in ECS: AWS announced them for its commercial regions alone"
        )
    if environment.waf:
        yield _firewall(
            environment_prefix(config.platform.name, environment.name), environment.approval, environment.region, access
        )
    if environment.account != config.toolchain.account:
        yield from _identity_provider(config, environment.account, access)


def first_in_toolchain(config: Config, access: Account) -> Iterator[Check]:
    """The toolchain's account: Inspector, the registry's settings, Slack, notifications, GitHub's provider."""
    if config.images.scanning == "enhanced":
        yield _inspector(config.toolchain.account, access)
    yield from settings_of_others(config, access)
    yield from workspace(config.toolchain.notifications, access)
    if config.delivery.engine == "codepipeline" and has_notification_rules(config.toolchain.region):
        for role, service in _NOTIFICATIONS_ROLE.items():
            yield _service_linked_role(role, service, access)
    yield from _identity_provider(config, config.toolchain.account, access)


def _zones(environment: Environment, access: Account) -> Check:
    """Check the zones: which of a region's zones an account has differs, and AWS refuses a subnet in another one."""
    try:
        answer = access.call("ec2", "describe_availability_zones")
    except NovaError as error:
        return not_known("the availability zones", error)
    there = {
        zone["ZoneName"].removeprefix(environment.region)
        for zone in answer["AvailabilityZones"]
        if zone.get("State") == "available" and zone.get("ZoneType", "availability-zone") == "availability-zone"
    }
    missing = [letter for letter in environment.network.zones if letter not in there]
    listed = ", ".join(sorted(there)) or "none"
    if missing:
        fault = f"{environment.region} has no zone {', '.join(missing)} for this account: it has {listed}"
        remedy = f"change network.zones of {environment.name} in nova.toml before the first deployment"
        return Check(False, fault, remedy)
    return Check(True, f"zones {', '.join(environment.network.zones)}, of {listed}")


def _service_linked_role(role: str, service: str, access: Account) -> Check:
    try:
        access.call("iam", "get_role", RoleName=role)
    except NovaError as error:
        if error.code in ("NoSuchEntity", "NoSuchEntityException"):
            return Check(False, f"no role {role}", f"aws iam create-service-linked-role --aws-service-name {service}")
        return not_known(f"the role {role}", error)
    return Check(True, f"role {role}")


def _firewall(prefix: str, guarded: bool, region: str, access: Account) -> Check:
    """Check the firewall's association, which sometimes fails right after its ACL and load balancer are created."""
    stack = platform_stack_name(prefix)
    failed = Stack(stack, "ROLLBACK_FAILED", protected=guarded)
    try:
        found = access.call("cloudformation", "describe_stack_resources", StackName=stack)["StackResources"]
    except NovaError as error:
        if error.code == "ValidationError":
            return Check(
                True,
                f"firewall: {stack} is not deployed yet",
                f"if that fails at its association: {removal(failed, region)}, and again",
            )
        return not_known(f"the firewall of {stack}", error)
    arns = {resource["ResourceType"]: str(resource.get("PhysicalResourceId", "")) for resource in found}
    balancer = arns.get("AWS::ElasticLoadBalancingV2::LoadBalancer", "")
    if not balancer:
        return Check(None, f"firewall: {stack} has no load balancer")
    try:
        answer = access.call("wafv2", "get_web_acl_for_resource", ResourceArn=balancer)
    except NovaError as error:
        return not_known(f"the firewall of {stack}", error)
    if "WebACL" in answer:
        return Check(True, f"firewall: {answer['WebACL'].get('Name', 'an ACL')} filters the load balancer")
    acl = arns.get("AWS::WAFv2::WebACL", "").partition("|")[0] or "…"
    command = f"aws wafv2 associate-web-acl --resource-arn {balancer} --web-acl-arn ARN-OF-{acl}"
    return Check(False, "firewall: nothing filters the load balancer", command)


def _inspector(account: str, access: Account) -> Check:
    command = f"aws inspector2 enable --resource-types ECR --account-ids {account}"
    try:
        found = access.call("inspector2", "batch_get_account_status", accountIds=[account])["accounts"]
    except NovaError as error:
        return not_known("whether Inspector scans images", error)
    if not found:
        return Check(None, "whether Inspector scans images: not known: AWS names no account", command)
    state = str(found[0].get("resourceState", {}).get("ecr", {}).get("status", "unknown"))
    right = state == "ENABLED"
    return Check(right, f"Inspector's scans of images are {state}", "" if right else command)


def workspace(notifications: Notifications, access: Account) -> Iterator[Check]:
    """Whether the Slack workspace has agreed, which only a person in a browser can do; nothing without one."""
    if notifications.slack is None:
        return
    wanted = notifications.slack.workspace
    try:
        answer = access.call("chatbot", "describe_slack_workspaces", region=_CHAT_REGION)
    except NovaError as error:
        yield not_known(f"whether the Slack workspace {wanted} is authorized", error)
        return
    known = {each["SlackTeamId"] for each in answer.get("SlackWorkspaces", ())}
    if wanted in known or answer.get("NextToken"):
        yield Check(
            wanted in known or None, f"Slack workspace {wanted}{'' if wanted in known else ': not on page one'}"
        )
    else:
        yield Check(
            False,
            f"the Slack workspace {wanted} is not authorized in this account",
            "open Amazon Q Developer in chat applications in the console, choose Configure new client and Slack, allow",
        )


def _identity_provider(config: Config, account: str, access: Account) -> Iterator[Check]:
    """Check GitHub's identity provider: an account can have only one."""
    if config.delivery.engine != "github-actions":
        return
    arn = f"arn:{aws_regions()[config.toolchain.region]}:iam::{account}:oidc-provider/{GITHUB_ISSUER}"
    listed = account in config.delivery.existing_oidc_providers
    try:
        access.call("iam", "get_open_id_connect_provider", OpenIDConnectProviderArn=arn)
        there = True
    except NovaError as error:
        if error.code not in ("NoSuchEntity", "NoSuchEntityException"):
            yield not_known("GitHub's identity provider", error)
            return
        there = False
    if there == listed:
        yield Check(True, f"GitHub's identity provider is {'there' if there else 'made by the first deployment'}")
    elif listed:
        create = f"aws iam create-open-id-connect-provider --url https://{GITHUB_ISSUER}"
        yield Check(
            False,
            "GitHub's identity provider is in existing_oidc_providers but not there",
            f"{create} --client-id-list sts.amazonaws.com",
        )
    else:
        yield _owner(github_stack_name(config.platform.name), account, access)


def _owner(stack: str, account: str, access: Account) -> Check:
    """Whether the existing identity provider is this installation's own."""
    try:
        access.call("cloudformation", "describe_stacks", StackName=stack)
    except NovaError as error:
        if error.code == "ValidationError":
            return Check(
                False,
                "GitHub's identity provider is there already, and a second one would be refused",
                f'set existing_oidc_providers = ["{account}"] under [delivery]',
            )
        return not_known("whose GitHub's identity provider is", error)
    return Check(True, f"GitHub's identity provider is that of {stack}")
