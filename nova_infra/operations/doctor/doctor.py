"""Checks what has to be in place before the first deployment, and says how to fix what is missing.

Each check is a line: right, to be fixed, or not known. In an environment's account it looks through the lookup role of
CDK's bootstrap, as ``cdk`` itself does: that it may be assumed from the toolchain's account is what trust means.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from nova_infra.config import Config, Environment
from nova_infra.config.resolved import resolved
from nova_infra.config.values.fields import aws_regions
from nova_infra.deployed.protocol import Account
from nova_infra.documents.model import Document, Line, Paragraph, Prose, Section, Tone
from nova_infra.errors import NovaError
from nova_infra.machine.parallel import threads
from nova_infra.names import BOOTSTRAP_VERSION, DEPLOY_REGISTRY, repository_name
from nova_infra.operations.doctor.boundary import boundary_checks
from nova_infra.operations.doctor.check import Check, is_anothers, not_known
from nova_infra.operations.doctor.existing import existing_cluster, existing_load_balancer, existing_network
from nova_infra.operations.doctor.first import first_in_environment, first_in_toolchain
from nova_infra.operations.doctor.protection import unprotected_stacks
from nova_infra.operations.doctor.quotas import build_quotas, environment_quotas

BOOTSTRAP_STACK = "CDKToolkit"
MIN_BOOTSTRAP = 8
"""What the pipeline's manifests ask for: stacks need 6, and looking things up needs 8."""
NODE_MAJORS = (22, 24)
"""Supported by the CDK CLI: https://docs.aws.amazon.com/cdk/v2/guide/node-versions.html."""


@dataclass(frozen=True)
class PlaceChecks:
    """The checks of one place."""

    title: str
    checks: tuple[Check, ...]


def diagnose(
    config: Config,
    root: Path,
    *,
    account_of_caller: Callable[[], str],
    open_account: Callable[[str, str, bool], Account],
    first: bool = False,
) -> tuple[PlaceChecks, ...]:
    """Check everything, the accounts side by side.

    Args:
        account_of_caller: Finds the account of the current credentials, or raises NovaError.
        open_account: Gives access to an account and region; the flag says whether it is the caller's own.
        first: Whether to check also what only a first deployment trips over.
    """
    parts = [PlaceChecks("This machine", tuple(tools(root)))]
    try:
        caller = account_of_caller()
    except NovaError as error:
        return (*parts, PlaceChecks("AWS", (Check(None, f"not checked: {error}"),)))
    toolchain = config.toolchain
    own = caller == toolchain.account
    remedy = "" if own else f"sign in to {toolchain.account}, which can reach the others"
    who = Check(own or None, f"the credentials are of account {caller}{', the toolchain' if own else ''}", remedy)

    def look(place: _Place) -> PlaceChecks:
        title, account, region, checks = place
        try:
            access = open_account(account, region, account == caller)
        except NovaError as error:
            return PlaceChecks(title, (_unreachable(config, account, region, own=own, error=error),))
        return PlaceChecks(title, tuple(checks(access)))

    with threads() as pool:
        return (*parts, PlaceChecks("Credentials", (who,)), *pool.map(look, _places(config, first=first)))


_Place: TypeAlias = tuple[str, str, str, Callable[[Account], Iterator[Check]]]
"""A title, an account, a region, and the checks to make there."""


def _places(config: Config, *, first: bool) -> Iterator[_Place]:
    account, home = config.toolchain.account, config.toolchain.region

    def at(title: str, account: str, region: str, checks: Callable[[Account], Iterator[Check]]) -> _Place:
        return f"{title} ({account}, {region})", account, region, checks

    yield at("Toolchain", account, home, lambda access: toolchain_checks(config, access, first=first))
    for each in config.environments:
        yield at(each.name, each.account, each.region, _environment_checks(config, each, first=first))


def tools(root: Path) -> Iterator[Check]:
    """Python, Node, the CDK CLI and git on this machine."""
    python = sys.version_info
    yield Check(
        python >= (3, 11), f"Python {python[0]}.{python[1]}", "" if python >= (3, 11) else "install 3.11 or later"
    )
    node = _version("node", "--version")
    right = node is not None and node[0] in NODE_MAJORS
    yield Check(right, f"Node {_dotted(node)}", "" if right else "run `make setup`, then `. .venv/bin/activate`")
    wanted = json.loads((root / "package.json").read_text(encoding="utf-8"))["devDependencies"]["aws-cdk"]
    installed = root / "node_modules" / ".bin" / "cdk"  # what npx runs
    cdk = _version(str(installed) if installed.exists() else "cdk", "--version")
    right = _dotted(cdk) == wanted
    yield Check(
        right,
        f"CDK CLI {_dotted(cdk)}{'' if right else f', where package.json has {wanted}'}",
        "" if right else "run `make setup`",
    )
    git = _version("git", "--version")
    yield Check(git is not None, f"git {_dotted(git)}", "" if git else "install git: images are tagged by commit")


def _version(*command: str) -> tuple[int, ...] | None:
    try:
        result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", result.stdout)
    return tuple(int(part) for part in found.groups() if part is not None) if found else None


def _dotted(version: Sequence[int] | None) -> str:
    return ".".join(map(str, version)) if version else "not found"


def toolchain_checks(config: Config, access: Account, *, first: bool = False) -> Iterator[Check]:
    """The account of the pipeline: bootstrap, boundary, source, repositories, builds."""
    toolchain = config.toolchain
    yield from bootstrap_checks(access, toolchain.account, toolchain.region, toolchain.account)
    yield from boundary_checks(config, access)
    yield _source(config, access)
    yield _repositories(config, access)
    yield from build_quotas(config, access)
    if first:
        yield from first_in_toolchain(config, access)


def _environment_checks(
    config: Config, environment: Environment, *, first: bool
) -> Callable[[Account], Iterator[Check]]:
    def checks(access: Account) -> Iterator[Check]:
        yield from bootstrap_checks(access, environment.account, environment.region, config.toolchain.account)
        found = [resolved(service, environment).service for service in config.services]
        if environment.domain is not None:
            hosts = dict.fromkeys(host for service in found for host in service.hosts)
            yield _hosted_zone(environment.domain.name, [*hosts], environment.domain.zone_id, access)
        yield from existing_network(environment, access)
        yield from existing_cluster(config, environment, access)
        yield from existing_load_balancer(config, environment, access)
        secrets = [each for service in found for each in service.secrets.values()]
        secrets += [each for service in found for sidecar in service.sidecars for each in sidecar.secrets.values()]
        for secret in sorted({each.secret for each in secrets if each.secret is not None}):
            yield _secret(secret, access)
        for parameter in sorted({each.parameter for each in secrets if each.parameter is not None}):
            yield _parameter(parameter, access)
        yield from environment_quotas(config, environment, access)
        yield from unprotected_stacks(config, environment, access)
        if first:
            yield from first_in_environment(config, environment, access)

    return checks


def bootstrap_checks(access: Account, account: str, region: str, toolchain: str) -> Iterator[Check]:
    """CDK's bootstrap of an account and region: there, new enough, and trusting the toolchain."""
    command = bootstrap_command(account, region, toolchain)
    try:
        version = int(access.call("ssm", "get_parameter", Name=BOOTSTRAP_VERSION)["Parameter"]["Value"])
    except NovaError as error:
        if error.code == "ParameterNotFound":
            yield Check(False, "not bootstrapped", command)
        else:
            yield not_known("the bootstrap", error)
        return
    yield Check(version >= MIN_BOOTSTRAP, f"bootstrap version {version}", "" if version >= MIN_BOOTSTRAP else command)
    if account == toolchain:
        return
    try:
        [stack] = access.call("cloudformation", "describe_stacks", StackName=BOOTSTRAP_STACK)["Stacks"]
    except NovaError as error:
        yield not_known("which account the bootstrap trusts", error)
        return
    parameters = {p["ParameterKey"]: p.get("ParameterValue", "") for p in stack.get("Parameters", ())}
    trusted = [name.strip() for name in parameters.get("TrustedAccounts", "").split(",")]
    right = toolchain in trusted
    yield Check(right, f"{'trusts' if right else 'does not trust'} the toolchain {toolchain}", "" if right else command)


def bootstrap_command(account: str, region: str, toolchain: str) -> str:
    """The command that bootstraps an account for the toolchain."""
    trust = f" --trust {toolchain}" if account != toolchain else ""
    everything = f"arn:{aws_regions()[region]}:iam::aws:policy/AdministratorAccess"
    policies = f" --cloudformation-execution-policies {everything}" if trust else ""
    return f"npx cdk bootstrap aws://{account}/{region}{trust}{policies}"


def _unreachable(config: Config, account: str, region: str, *, own: bool, error: NovaError) -> Check:
    if own and error.exit_code == 2:
        # From the toolchain's account, being refused means that nothing there trusts it.
        return Check(
            False,
            "not bootstrapped, or it does not trust the toolchain",
            bootstrap_command(account, region, config.toolchain.account),
        )
    return not_known("this account", error)


def _source(config: Config, access: Account) -> Check:
    source = config.source
    if source.token_secret is not None:
        return _secret(source.token_secret, access)
    arn = source.connection_arn or ""
    service = "codeconnections" if ":codeconnections:" in arn else "codestar-connections"
    try:
        connection = access.call(service, "get_connection", region=arn.split(":")[3], ConnectionArn=arn)["Connection"]
    except NovaError as error:
        if error.code == "ResourceNotFoundException":
            return Check(False, f"no connection {arn}", "create one in the console and put its ARN into nova.toml")
        return not_known("the connection to the repository", error)
    state = connection["ConnectionStatus"]
    right = state == "AVAILABLE"
    remedy = (
        "" if right else "open it in the console (Developer Tools, Connections) and choose Update pending connection"
    )
    return Check(right, f"the connection to {source.repository} is {state}", remedy)


def _repositories(config: Config, access: Account) -> Check:
    wanted = {repository_name(config.platform.name, service.name) for service in config.services}
    missing, empty = [], []
    for name in sorted(wanted):
        try:
            if not access.call("ecr", "list_images", repositoryName=name, maxResults=1)["imageIds"]:
                empty.append(name)
        except NovaError as error:
            if error.code != "RepositoryNotFoundException":
                return not_known("the image repositories", error)
            missing.append(name)
    if missing:
        return Check(False, f"no repository {', '.join(missing)}", DEPLOY_REGISTRY)
    if empty:
        return Check(
            None, f"no image yet in {', '.join(empty)}", "the pipeline builds them; or `nova image build <service>`"
        )
    return Check(True, f"{len(wanted)} image repositories, none of them empty")


def _hosted_zone(domain: str, hosts: Sequence[str], zone_id: str, access: Account) -> Check:
    try:
        zone = access.call("route53", "get_hosted_zone", Id=zone_id)["HostedZone"]
    except NovaError as error:
        if error.code == "NoSuchHostedZone":
            return Check(False, f"no hosted zone {zone_id}", f"create the zone of {domain} in this account")
        if is_anothers(error):
            remedy = (
                f"create a zone of {domain} in this account, delegate to it by an NS record in {zone_id}, and name it"
            )
            return Check(False, f"hosted zone {zone_id} is in another account, where no stack can write", remedy)
        return not_known(f"the hosted zone of {domain}", error)
    name = str(zone["Name"]).rstrip(".")
    if outside := [each for each in (domain, *hosts) if not f".{each}".endswith(f".{name}")]:
        remedy = f"name the zone that {' and '.join(outside)} is in, in nova.toml"
        return Check(False, f"hosted zone {zone_id} is of {name}", remedy)
    if zone.get("Config", {}).get("PrivateZone"):
        return Check(
            False, f"hosted zone {zone_id} is private", "name a public zone: its records prove the certificate"
        )
    return Check(True, f"hosted zone of {name}")


def _secret(name: str, access: Account) -> Check:
    try:
        access.call("secretsmanager", "describe_secret", SecretId=name)
    except NovaError as error:
        if error.code == "ResourceNotFoundException":
            return Check(False, f"no secret {name}", "create it in this account and region, in Secrets Manager")
        return not_known(f"the secret {name}", error)
    return Check(True, f"secret {name}")


def _parameter(name: str, access: Account) -> Check:
    try:
        # Not get_parameter, which would hand out the value.
        found = access.call("ssm", "describe_parameters", ParameterFilters=[{"Key": "Name", "Values": [name]}])
    except NovaError as error:
        return not_known(f"the parameter {name}", error)
    if found["Parameters"]:
        return Check(True, f"parameter {name}")
    return Check(False, f"no parameter {name}", "create it in this account and region, as a SecureString")


_TONES: Mapping[bool | None, Tone] = {True: "good", False: "bad", None: "unknown"}


def document(parts: Sequence[PlaceChecks]) -> Document:
    """The checks as a report, with what to do below each that needs something."""
    sections = [
        Section(
            part.title,
            tuple(
                Line((check.what,), _TONES[check.right], (Line.of(Prose(check.remedy)),) if check.remedy else ())
                for check in part.checks
            ),
        )
        for part in parts
    ]
    wrong, unknown = (sum(c.right is state for part in parts for c in part.checks) for state in (False, None))
    total = f"{wrong or 'nothing'} to fix" + (f", {unknown} could not be checked" if unknown else "")
    return Document(sections=(*sections, Section("", (Paragraph.of(total),))))


def must_be_fixed(parts: Sequence[PlaceChecks]) -> bool:
    """Whether any check found something to fix."""
    return any(check.right is False for part in parts for check in part.checks)
