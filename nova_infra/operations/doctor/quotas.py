"""Checks an account's quotas (vCPUs, addresses, VPCs, CodeBuild's builds) for all environments in it together."""

from collections.abc import Container, Iterator

from nova_infra.config import Config, Environment
from nova_infra.config.resolved import resolved
from nova_infra.deployed.model import VCPU_QUOTA
from nova_infra.deployed.protocol import Account
from nova_infra.errors import NovaError
from nova_infra.names import environment_prefix, platform_stack_name
from nova_infra.operations.doctor.check import Check, not_known

# EC2-VPC Elastic IPs, and VPCs per Region: https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
_ADDRESS_QUOTA, _NETWORK_QUOTA = ("ec2", "L-0263D0A3"), ("vpc", "L-F678F1CE")
_OWN = "amazon"
_LISTS = {_ADDRESS_QUOTA: ("describe_addresses", "Addresses"), _NETWORK_QUOTA: ("describe_vpcs", "Vpcs")}

# The compute types that CDK gives the pipeline's projects; the quotas are named after them:
# https://docs.aws.amazon.com/general/latest/gr/codebuild.html
_BUILDS = {"x86-64": "Linux/Small", "arm64": "ARM/Large"}
_COMFORTABLE_BUILDS = 3
"""Builds at once that let one push be built while another is tested in Dev and a third in Staging."""


def environment_quotas(config: Config, environment: Environment, access: Account) -> Iterator[Check]:
    """Fargate and elastic addresses, which environments of the same account and region share."""
    place = (environment.account, environment.region)
    sharing = [each for each in config.environments if (each.account, each.region) == place]
    shared = f", of {' and '.join(each.name for each in sharing)} together" if len(sharing) > 1 else ""
    vcpus = sum(_vcpus(config, each) for each in sharing)
    told = f"Fargate vCPUs, with twice the tasks in a deployment{shared}"
    yield _quota(access, ("fargate", VCPU_QUOTA), vcpus, told)
    made = [each for each in sharing if each.network.vpc is None]  # a VPC that exists has the gateways that it has
    own = {platform_stack_name(environment_prefix(config.platform.name, each.name)) for each in made}
    wanted = {
        _ADDRESS_QUOTA: (sum(each.network.nat_gateways for each in made), "elastic addresses, for NAT gateways"),
        _NETWORK_QUOTA: (len(made), "VPCs"),
    }
    for quota, (number, what) in wanted.items():
        if number:
            yield _with_others(access, quota, number, f"{what}{shared}", own)


def build_quotas(config: Config, access: Account) -> Iterator[Check]:
    """How many builds of each kind CodeBuild runs at once (builds-working); refusals: aws/aws-cdk#17744."""
    if config.delivery.engine != "codepipeline":
        return
    wanted = dict.fromkeys(["x86-64", *(service.architecture for service in config.services)])
    try:
        listed = access.pages("service-quotas", "list_service_quotas", "Quotas", ServiceCode="codebuild")
        found = {str(each["QuotaName"]): (float(each["Value"]), str(each["QuotaCode"])) for each in listed}
    except NovaError as error:
        yield not_known("the quota of concurrent builds", error)
        return
    for architecture in wanted:
        kind = _BUILDS[architecture]
        match = [each for name, each in found.items() if "concurrently running builds" in name.lower() and kind in name]
        yield _builds(kind, *match[0]) if match else Check(None, f"concurrent {kind} builds: no such quota is listed")


def _builds(kind: str, value: float, code: str) -> Check:
    request = f"request {_COMFORTABLE_BUILDS} in Service Quotas (codebuild {code})"
    if value < 1:
        return Check(False, f"no {kind} build may run", request)
    if value < _COMFORTABLE_BUILDS:
        return Check(
            True,
            f"{value:g} concurrent {kind} build{'s' if value > 1 else ''}: one execution of the pipeline needs one",
            f"a second execution waits, or fails with AccountLimitExceeded and is retried by hand: {request}",
        )
    return Check(True, f"{value:g} concurrent {kind} builds")


def _with_others(access: Account, quota: tuple[str, str], number: int, what: str, own: Container[str | None]) -> Check:
    """Check a quota that also counts what is there already and does not belong to the stacks of these names."""
    operation, key = _LISTS[quota]
    try:
        listed = access.call("ec2", operation)[key]
    except NovaError as error:
        return not_known(f"how many {what} there are", error)
    # Addresses that a service manages, and those that an account has brought along, do not count.
    counted = (each for each in listed if not each.get("ServiceManaged") and each.get("PublicIpv4Pool", _OWN) == _OWN)
    tags = ({tag["Key"]: tag["Value"] for tag in each.get("Tags", ())} for each in counted)
    others = sum(each.get("aws:cloudformation:stack-name") not in own for each in tags)
    return _quota(access, quota, number + others, f"{what}{f', with {others} of others' if others else ''}")


def _quota(access: Account, quota: tuple[str, str], needed: float, what: str) -> Check:
    service, code = quota
    try:
        answer = access.call("service-quotas", "get_service_quota", ServiceCode=service, QuotaCode=code)
    except NovaError as error:
        return not_known(f"the quota of {what}", error)
    value = float(answer["Quota"]["Value"])
    other = {"fargate": "lower max_tasks in nova.toml", "ec2": "lower nat_gateways in nova.toml"}
    remedy = f"request {needed:g} in Service Quotas ({service} {code}), or {other.get(service, 'use network.vpc')}"
    return Check(value >= needed, f"{needed:g} of {value:g} {what}", "" if value >= needed else remedy)


def _vcpus(config: Config, environment: Environment) -> float:
    """What all services need at once: each with all of its tasks, doubled while a deployment replaces them."""
    found = [resolved(service, environment) for service in config.services]
    return 2 * sum(each.environment.scaling.most * each.service.cpu for each in found) / 1024
