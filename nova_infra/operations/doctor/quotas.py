"""Checks an account's quotas (vCPUs, addresses, CodeBuild's builds) for all environments in it together."""

from collections.abc import Iterator

from nova_infra.config import Config, Environment
from nova_infra.config.resolved import resolved
from nova_infra.deployed.model import VCPU_QUOTA
from nova_infra.deployed.protocol import Account
from nova_infra.errors import NovaError
from nova_infra.operations.doctor.check import Check, not_known

_ADDRESS_QUOTA = ("ec2", "L-0263D0A3")  # EC2-VPC Elastic IPs

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
    if addresses := sum(each.network.nat_gateways for each in made):
        yield _quota(access, _ADDRESS_QUOTA, addresses, f"elastic addresses, for NAT gateways{shared}")


def build_quotas(config: Config, access: Account) -> Iterator[Check]:
    """How many builds CodeBuild runs at once, for each kind that the pipeline has.

    Those over it wait, up to five times as many:
    https://docs.aws.amazon.com/codebuild/latest/userguide/builds-working.html. Users
    of new accounts report that they are refused (aws/aws-cdk#17744).
    """
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


def _quota(access: Account, quota: tuple[str, str], needed: float, what: str) -> Check:
    service, code = quota
    try:
        answer = access.call("service-quotas", "get_service_quota", ServiceCode=service, QuotaCode=code)
    except NovaError as error:
        return not_known(f"the quota of {what}", error)
    value = float(answer["Quota"]["Value"])
    lower = "max_tasks" if service == "fargate" else "nat_gateways"
    remedy = f"request {needed:g} in Service Quotas ({service} {code}), or lower {lower} in nova.toml"
    return Check(value >= needed, f"{needed:g} of {value:g} {what}", "" if value >= needed else remedy)


def _vcpus(config: Config, environment: Environment) -> float:
    """What all services need at once: each with all of its tasks, doubled while a deployment replaces them."""
    found = [resolved(service, environment) for service in config.services]
    return 2 * sum(each.environment.scaling.most * each.service.cpu for each in found) / 1024
