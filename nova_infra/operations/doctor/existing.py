"""Whether a cluster and a load balancer that exist are as ``nova.toml`` says, and what their owners have to allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.config import Config, Environment
from nova_infra.config.resolved import resolved
from nova_infra.config.values.existing import ExistingLoadBalancer
from nova_infra.errors import NovaError
from nova_infra.names import environment_prefix, stack_name
from nova_infra.operations.doctor.check import Account, Check, not_known
from nova_infra.operations.gates.orphans import wanted_rules
from nova_infra.operations.gates.shared_listener import collisions, of_others

_IDLE_SECONDS = 60
"""After which a request without an answer counts: the alarm on those fires within a bake only if it is not longer."""


def existing_cluster(config: Config, environment: Environment, access: Account) -> Iterator[Check]:
    """The cluster that an environment names; nothing where it makes its own."""
    name = environment.network.cluster_name
    if name is None:
        return
    try:
        answer = access.call("ecs", "describe_clusters", clusters=[name], include=["SETTINGS"])
    except NovaError as error:
        yield not_known(f"the cluster {name}", error)
        return
    cluster = next((each for each in answer["clusters"] if each.get("status") == "ACTIVE"), None)
    if cluster is None:
        yield Check(False, f"no cluster {name}", f"correct network.cluster of {environment.name} in nova.toml")
        return
    settings = {each["name"]: each["value"] for each in cluster.get("settings", ())}
    at = f"--region {environment.region}"
    faults = []
    if settings.get("containerInsights", "disabled") == "disabled":
        set_it = (
            f"aws ecs update-cluster-settings {at} --cluster {name} --settings name=containerInsights,value=enabled"
        )
        faults.append(("has no Container Insights, so the alarm on too few tasks would always be red", set_it))
    providers = list(cluster.get("capacityProviders", ()))
    on_spot = [s.name for s in config.services if resolved(s, environment).environment.scaling.spot is not None]
    missing = [each for each in ("FARGATE", "FARGATE_SPOT") if each not in providers] if on_spot else []
    if missing:
        strategy = " ".join(
            f"capacityProvider={each['capacityProvider']},weight={each.get('weight', 0)},base={each.get('base', 0)}"
            for each in cluster.get("defaultCapacityProviderStrategy", ())
        )
        command = (
            f"aws ecs put-cluster-capacity-providers {at} --cluster {name} --capacity-providers "
            f"{' '.join([*providers, *missing])} --default-capacity-provider-strategy {strategy or '[]'}"
        )
        fault = f"has no capacity provider {' and '.join(missing)}, and {', '.join(on_spot)} would run on Spot"
        faults.append((fault, command))
    for fault, remedy in faults:
        yield Check(False, f"cluster {name} {fault}", f"have its owner run: {remedy}")
    if not faults:
        yield Check(True, f"cluster {name}, with Container Insights")


def existing_load_balancer(config: Config, environment: Environment, access: Account) -> Iterator[Check]:
    """The load balancer and the listener that an environment names; nothing where it makes its own."""
    balancer = environment.network.load_balancer
    if balancer is None:
        return
    try:
        found = access.call("elbv2", "describe_load_balancers", LoadBalancerArns=[balancer.arn])["LoadBalancers"][0]
        listener = access.call("elbv2", "describe_listeners", ListenerArns=[balancer.listener])["Listeners"][0]
        attributes = access.call("elbv2", "describe_load_balancer_attributes", LoadBalancerArn=balancer.arn)
        [group] = access.call("ec2", "describe_security_groups", GroupIds=[balancer.security_group])["SecurityGroups"]
        others = of_others(_rules(balancer, access), _own_rules(config, environment, access))
    except NovaError as error:
        if "NotFound" in (code := getattr(error, "code", "")):
            key = {"ListenerNotFound": "listener", "InvalidGroup.NotFound": "security_group"}.get(code, "arn")
            yield Check(False, f"load balancer: {error}", _correct(key, environment))
        else:
            yield not_known(f"the load balancer {balancer.full_name}", error)
        return
    faults = [
        *_differences(environment, balancer, found),
        *_listener_faults(environment, listener),
        *_attribute_faults(balancer, {each["Key"]: each["Value"] for each in attributes["Attributes"]}),
        *_exit_faults(config, environment, group),
    ]
    for fault, remedy in faults:
        yield Check(False, f"load balancer: {fault}", remedy)
    held = list(collisions(others, wanted_rules(config, environment), environment.name))
    for line in held:
        fault, _, remedy = line.rpartition(": ")
        yield Check(False, fault, remedy)
    if not faults and not held:
        yield Check(True, f"load balancer {balancer.full_name}, with {len(others)} rules of others on its listener")


def _differences(
    environment: Environment, balancer: ExistingLoadBalancer, found: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """What nova.toml says otherwise than AWS, with what to write."""
    vpc = environment.network.vpc
    if found["VpcId"] != vpc:
        yield f"is in {found['VpcId']}, not in {vpc}", f"name one in {vpc}, or correct network.vpc"
    if balancer.security_group not in found.get("SecurityGroups", ()):
        listed = ", ".join(found.get("SecurityGroups", ())) or "none"
        yield (
            f"does not have the security group {balancer.security_group}: it has {listed}",
            _correct("security_group", environment),
        )
    for key, name in (("dns_name", "DNSName"), ("zone_id", "CanonicalHostedZoneId")):
        if str(found[name]).lower() != getattr(balancer, key).lower():
            yield f"has the {name} {found[name]}", f'{_correct(key, environment)}: {key} = "{found[name]}"'
    if (state := found.get("State", {}).get("Code", "active")) not in ("active", "active_impaired"):
        yield f"is {state}", "wait until its owner has activated it"


def _listener_faults(environment: Environment, listener: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    wanted = "HTTPS" if environment.domain is not None else "HTTP"
    if listener["Protocol"] != wanted:
        why = "the domain is served over TLS" if wanted == "HTTPS" else "there is no domain to have a certificate for"
        yield f"the listener speaks {listener['Protocol']}, and {why}", _correct("listener", environment)
    port = 443 if wanted == "HTTPS" else 80
    if listener["Protocol"] == wanted and listener["Port"] != port:
        yield f"the listener is on port {listener['Port']}, but users call {port}", _correct("listener", environment)


def _attribute_faults(balancer: ExistingLoadBalancer, attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    seconds = int(attributes.get("idle_timeout.timeout_seconds", _IDLE_SECONDS))
    if seconds > _IDLE_SECONDS:
        yield (
            f"waits {seconds} s for an answer, so that a bake may end before requests count as unanswered",
            f"have its owner set idle_timeout.timeout_seconds to {_IDLE_SECONDS} on {balancer.full_name}, or raise "
            "bake_minutes by as much",
        )


def _exit_faults(config: Config, environment: Environment, group: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Ports of services that the load balancer's security group does not let out."""
    found = (resolved(service, environment).service for service in config.services)
    ports = sorted({each.port for each in found if each.kind == "web" and not each.internal})
    closed = [port for port in ports if not any(_opens(rule, port) for rule in group.get("IpPermissionsEgress", ()))]
    if closed:
        listed = ", ".join(map(str, closed))
        yield (
            f"{group['GroupId']} lets nothing out to port {listed}, so targets never become healthy",
            f"have its owner let TCP {listed} out to {environment.network.cidr}",
        )


def _opens(rule: Mapping[str, Any], port: int) -> bool:
    if rule.get("IpProtocol") not in ("-1", "tcp", "6"):
        return False
    return rule["IpProtocol"] == "-1" or bool(rule.get("FromPort", 0) <= port <= rule.get("ToPort", 65535))


def _rules(balancer: ExistingLoadBalancer, access: Account) -> Iterator[Mapping[str, Any]]:
    which: dict[str, str] = {"ListenerArn": balancer.listener}
    while True:
        answer = access.call("elbv2", "describe_rules", **which)
        yield from answer["Rules"]
        if not (marker := answer.get("NextMarker")):
            return
        which["Marker"] = marker


def _own_rules(config: Config, environment: Environment, access: Account) -> Iterator[str]:
    """ARNs of the rules that the services' stacks have made."""
    prefix = environment_prefix(config.platform.name, environment.name)
    for service in config.services:
        try:
            found = access.call(
                "cloudformation", "describe_stack_resources", StackName=stack_name(prefix, service.name)
            )
        except NovaError as error:
            if getattr(error, "code", "") != "ValidationError":  # it is not deployed
                raise
            continue
        for resource in found["StackResources"]:
            if resource["ResourceType"] == "AWS::ElasticLoadBalancingV2::ListenerRule":
                yield str(resource.get("PhysicalResourceId", ""))


def _correct(key: str, environment: Environment) -> str:
    return f"correct network.load_balancer.{key} of {environment.name} in nova.toml"
