"""Every edit of nova.toml is a transition: what AWS does with a deployed environment, judged on synthesized templates.

Each case edits the templates as the edit of nova.toml does, so that one synthesis serves all of them.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from nova_infra.operations.changes.resource_types import resource_type
from nova_infra.operations.planner import Action, Plan, StackKey, StackTemplate, plan
from nova_infra.operations.planner.actions import resource_actions

PLATFORM, CARTS, STORE, OVERVIEW = (
    f"nova-prod-{name}" for name in ("platform", "carts-service", "store-service", "overview")
)
PLACE = ("333333333333", "us-east-1")
ELB = "AWS::ElasticLoadBalancingV2"

Templates = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def deployed(assembly: Any) -> Templates:
    """Production with two services, without the stacks of the others."""
    return {name: assembly.templates[name] for name in (PLATFORM, CARTS, STORE, OVERVIEW)}


def stack(name: str, template: dict[str, Any], place: tuple[str, str] = PLACE) -> StackTemplate:
    return StackTemplate(StackKey(*place, name), template)


def of_type(template: dict[str, Any], kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [(key, each) for key, each in template["Resources"].items() if each["Type"] == kind]


def only(template: dict[str, Any], kind: str) -> dict[str, Any]:
    [(_, found)] = of_type(template, kind)
    return found["Properties"]


def rules(template: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rule of a service's tests, and its own right behind it."""
    found = [each["Properties"] for _, each in of_type(template, f"{ELB}::ListenerRule")]
    tests, own = sorted(found, key=lambda rule: rule["Priority"])
    return tests, own


def lead(template: dict[str, Any], path: str) -> None:
    for rule in rules(template):
        rule["Conditions"][0]["PathPatternConfig"]["Values"] = [path]


def put_at(template: dict[str, Any], place: int) -> None:
    tests, own = rules(template)
    tests["Priority"], own["Priority"] = place - 1, place


def transition(before: Templates, edit: Callable[[Templates], None], place: tuple[str, str] = PLACE) -> Plan:
    after = copy.deepcopy(before)
    edit(after)
    services = [stack(name, each, place) for name, each in after.items() if name not in (PLATFORM, OVERVIEW)]
    waves = [[stack(PLATFORM, after[PLATFORM], place)], services, [stack(OVERVIEW, after[OVERVIEW], place)]]
    return plan([stack(name, each) for name, each in before.items()], waves)


def renamed(template: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(template).replace(old, new))
    return made


def add(after: Templates) -> None:
    after["nova-prod-fresh-service"] = renamed(after[CARTS], "carts-service", "fresh-service")
    put_at(after["nova-prod-fresh-service"], 4711)


def remove(after: Templates) -> None:
    del after[STORE]


def rename(after: Templates) -> None:
    made = renamed(after.pop(STORE), "store-service", "shop-service")
    put_at(made, 50_000)
    lead(made, "/store-service/*")
    after["nova-prod-shop-service"] = made


def paths(after: Templates) -> None:
    lead(after[CARTS], "/basket/*")


def priority(after: Templates) -> None:
    put_at(after[CARTS], 4711)


def swapped_priorities(after: Templates) -> None:
    first, second = (rules(after[name])[1]["Priority"] for name in (CARTS, STORE))
    put_at(after[CARTS], second)
    put_at(after[STORE], first)


def domain_off(after: Templates) -> None:
    resources = after[PLATFORM]["Resources"]
    for key, each in of_type(after[PLATFORM], f"{ELB}::Listener"):
        if each["Properties"]["Port"] == 80:
            del resources[key]
        else:
            each["Properties"] |= {"Port": 80, "Protocol": "HTTP"}
            del each["Properties"]["Certificates"], each["Properties"]["SslPolicy"]


def other_range(after: Templates) -> None:
    after[PLATFORM] = renamed(after[PLATFORM], "10.30.", "10.40.")


def other_zone(after: Templates) -> None:
    """Subnets of another zone: their ranges follow from their number, so each is replaced in place."""
    for _, each in of_type(after[PLATFORM], "AWS::EC2::Subnet"):
        if each["Properties"]["AvailabilityZone"].endswith("c"):
            each["Properties"]["AvailabilityZone"] = each["Properties"]["AvailabilityZone"][:-1] + "d"


def fewer_gateways(after: Templates) -> None:
    gateways = [key for key, _ in of_type(after[PLATFORM], "AWS::EC2::NatGateway")]
    for _, each in of_type(after[PLATFORM], "AWS::EC2::Route"):
        if "NatGatewayId" in each["Properties"]:
            each["Properties"]["NatGatewayId"] = {"Ref": gateways[0]}
    for key in gateways[1:]:
        del after[PLATFORM]["Resources"][key]


def rolling(after: Templates) -> None:
    configuration = only(after[CARTS], "AWS::ECS::Service")["DeploymentConfiguration"]
    configuration["Strategy"] = "ROLLING"
    del configuration["CanaryConfiguration"]


def architecture(after: Templates) -> None:
    only(after[CARTS], "AWS::ECS::TaskDefinition")["RuntimePlatform"]["CpuArchitecture"] = "ARM64"


def fixed_log_group(after: Templates) -> None:
    only(after[CARTS], "AWS::Logs::LogGroup")["LogGroupName"] = "/nova/carts"


def worker(after: Templates) -> None:
    """The service gets other logical ids, and loses what a load balancer needs."""
    resources = after[CARTS]["Resources"]
    [(key, _)] = of_type(after[CARTS], "AWS::ECS::Service")
    resources["WorkerService"] = resources.pop(key)
    for kind in ("TargetGroup", "ListenerRule"):
        for key, _ in of_type(after[CARTS], f"{ELB}::{kind}"):
            del resources[key]
    after[CARTS].pop("Outputs")


def internal(after: Templates) -> None:
    for key, rule in of_type(after[CARTS], f"{ELB}::ListenerRule"):
        rule["Properties"]["ListenerArn"] = f"arn:aws:elasticloadbalancing:us-east-1:333333333333:listener/{key}"


def http2(after: Templates) -> None:
    for _, group in of_type(after[CARTS], f"{ELB}::TargetGroup"):
        group["Properties"]["ProtocolVersion"] = "HTTP2"


def spot(after: Templates) -> None:
    service = only(after[CARTS], "AWS::ECS::Service")
    service["CapacityProviderStrategy"] = [{"CapacityProvider": "FARGATE_SPOT", "Weight": 1}]


def nothing(after: Templates) -> None:
    """An engine is none of an environment's business."""


@dataclass(frozen=True)
class Case:
    """An edit with its judgement.

    Attributes:
        edit: Edits the templates.
        refused: What AWS would refuse, each by some of its words, its remedy among them.
        told: What else somebody should know, each by some of its words.
        replaced: Types of what is replaced, certainly or perhaps.
    """

    edit: Callable[[Templates], None]
    refused: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    replaced: frozenset[str] = frozenset()


WEIGHTS = "resets the weights that ECS set"
MATRIX = {
    "add": Case(add),
    "remove": Case(remove, told=(f"{STORE}: is no longer part of the release",)),
    "rename": Case(
        rename,
        told=(
            f"{STORE}: is no longer part of the release",
            f"its path /store-service/* goes to an earlier rule, of {STORE}",
        ),
    ),
    "paths": Case(paths, told=(WEIGHTS,)),
    "priority": Case(priority, told=(WEIGHTS,)),
    "swapped priorities": Case(
        swapped_priorities,
        refused=("belongs to nova-prod-", "free it in an earlier release"),
        told=(WEIGHTS, WEIGHTS),
    ),
    "domain off": Case(
        domain_off,
        refused=("port 80 belongs to", "delete that listener by hand first"),
        told=("port 443 of its load balancer closes: whoever asks there gets no answer",),
    ),
    "CIDR": Case(other_range, refused=("what it exports is in use by", "create a second environment")),
    "zones": Case(other_zone, refused=("overlaps", "create a new environment")),
    "NAT": Case(fewer_gateways),
    "strategy back to rolling": Case(rolling, told=("goes back to rolling",)),
    "architecture": Case(architecture, replaced=frozenset({"AWS::ECS::TaskDefinition"})),
    "engine": Case(nothing),
    "spot": Case(spot),
    "kind": Case(
        worker,
        refused=("becomes one of another kind", "add it as a service of another name, deliver, then remove this one"),
    ),
    "internal": Case(
        internal,
        refused=("a target group serves only one", "add it as a service of another name, move its callers"),
        told=(WEIGHTS,),
    ),
    "protocol": Case(
        http2,
        refused=("ProtocolVersion cannot be changed in place", "add it as a service of another name"),
        told=(WEIGHTS,),
    ),
}


@pytest.mark.parametrize("name", MATRIX)
def test_an_edit_is_judged_before_it_is_deployed(deployed: Templates, name: str) -> None:
    case = MATRIX[name]
    result = transition(deployed, case.edit)
    refused = "\n".join(map(str, result.refusals))
    assert bool(refused) is bool(case.refused), refused
    for words in case.refused:
        assert words in refused
    of_stacks = [each for planned in result.stacks for each in planned.consequences]
    told = [str(each) for each in (*of_stacks, *result.consequences)]
    assert len(told) == len(case.told), told
    for words in case.told:
        assert any(words in each for each in told), told
    replaced = {
        action.type
        for planned in result.stacks
        for action in planned.actions
        if action.action in (Action.REPLACE, Action.MAY_REPLACE)
    }
    assert replaced == case.replaced or case.refused


def several(*edits: Callable[[Templates], None]) -> Callable[[Templates], None]:
    def edit(after: Templates) -> None:
        for each in edits:
            each(after)

    return edit


# Edits of one push, none of which undoes what another one needs.
TOGETHER = [
    ("add", "paths", "NAT"),
    ("remove", "strategy back to rolling", "architecture"),
    ("rename", "CIDR"),
    ("spot", "architecture", "domain off"),
    ("kind", "zones"),
    ("protocol", "add", "remove"),
]


@pytest.mark.parametrize("names", TOGETHER, ids=" and ".join)
def test_edits_of_one_push_are_judged_like_each_alone(deployed: Templates, names: tuple[str, ...]) -> None:
    cases = [MATRIX[name] for name in names]
    result = transition(deployed, several(*(case.edit for case in cases)))
    refused = "\n".join(map(str, result.refusals))
    assert bool(refused) is any(case.refused for case in cases), refused
    for words in (words for case in cases for words in case.refused):
        assert words in refused
    told = "\n".join(
        map(str, (*(each for planned in result.stacks for each in planned.consequences), *result.consequences))
    )
    for words in (words for case in cases for words in case.told):
        assert words in told


@pytest.mark.parametrize("place", [("444444444444", "us-east-1"), ("333333333333", "eu-west-1")])
def test_another_account_or_region_moves_nothing(deployed: Templates, place: tuple[str, str]) -> None:
    refused = "\n".join(map(str, transition(deployed, nothing, place).refusals))
    assert "nothing moves, what runs there keeps running" in refused
    assert "add it as a new environment under another name" in refused


def test_a_domain_moves_the_listener_before_its_port_is_taken_again(assembly: Any) -> None:
    before = {name: renamed(assembly.templates[name], "nova-dev", "nova-x") for name in ("nova-dev-platform",)}
    [template] = before.values()
    after = copy.deepcopy(template)
    [(key, listener)] = of_type(after, f"{ELB}::Listener")
    listener["Properties"] |= {"Port": 443, "Protocol": "HTTPS", "Certificates": [{"CertificateArn": "arn"}]}
    redirect = copy.deepcopy(listener)
    redirect["Properties"] |= {"Port": 80, "Protocol": "HTTP"}
    after["Resources"]["Redirect"] = redirect | {"DependsOn": [key]}
    assert plan([stack("nova-x-platform", template)], [[stack("nova-x-platform", after)]]).refusals == []
    del after["Resources"]["Redirect"]["DependsOn"]
    refused = plan([stack("nova-x-platform", template)], [[stack("nova-x-platform", after)]]).refusals
    assert ["port 80 belongs to" in str(each) for each in refused] == [True]


def test_basic_scanning_leaves_the_accounts_setting(assembly: Any) -> None:
    before = assembly.templates["NovaRegistryStack"]
    after = copy.deepcopy(before)
    [(key, _)] = of_type(after, "AWS::ECR::RegistryScanningConfiguration")
    del after["Resources"][key]
    [planned] = plan([stack("NovaRegistryStack", before)], [[stack("NovaRegistryStack", after)]]).stacks
    assert [(action.logical_id, action.action) for action in planned.actions] == [(key, Action.KEEP)]


@pytest.mark.parametrize(
    ("to_github", "left"), [(True, ["NovaPipelineStack"]), (False, ["NovaEarlyRegistryStack", "nova-github-actions"])]
)
def test_another_engine_leaves_the_old_ones_stacks(
    assembly: Any, github_assembly: Any, to_github: bool, left: list[str]
) -> None:
    def stacks(each: Any) -> list[StackTemplate]:
        named = {name: template for name, template in each.templates.items() if not name.startswith("nova-")}
        named |= {name: each.templates[name] for name in ("nova-github-actions",) if name in each.templates}
        return [stack(name, template) for name, template in named.items()]

    before, after = (assembly, github_assembly) if to_github else (github_assembly, assembly)
    result = plan(stacks(before), [stacks(after)])
    assert result.refusals == []
    assert sorted(consequence.stack for consequence in result.consequences) == left


def test_a_service_that_had_its_log_groups_name_gets_one_without(deployed: Templates) -> None:
    before = copy.deepcopy(deployed)
    fixed_log_group(before)
    after = [[stack(name, deployed[name])] for name in (PLATFORM, CARTS)]
    result = plan([stack(name, each) for name, each in before.items()], after)
    assert result.refusals == []
    [carts] = [each for each in result.stacks if each.stack.key.name == CARTS]
    assert {a.type: a.action for a in carts.actions}["AWS::Logs::LogGroup"] is Action.REPLACE


def test_a_service_of_another_kind_is_refused_in_one_line(deployed: Templates) -> None:
    """Its alarms, its scaling and its exports follow: their own refusals would name remedies that do not help."""
    assert len(transition(deployed, worker).refusals) == 1


@pytest.mark.parametrize("used", [True, False])
def test_a_capacity_provider_stays_as_long_as_a_service_runs_on_it(deployed: Templates, used: bool) -> None:
    before = copy.deepcopy(deployed)
    if used:
        spot(before)
    kind = "AWS::ECS::ClusterCapacityProviderAssociations"

    def without(after: Templates) -> None:
        only(after[PLATFORM], kind)["CapacityProviders"] = ["FARGATE"]
        after[CARTS] = deployed[CARTS]

    [(key, _)] = of_type(deployed[PLATFORM], kind)
    said = [str(each) for each in transition(before, without).refusals]
    expected = f"{PLATFORM}.{key}: takes FARGATE_SPOT from the cluster while {CARTS} still uses it: deploy those"
    assert [line[: len(expected)] for line in said] == ([expected] if used else [])


def test_every_property_of_every_resource_is_replaced_as_its_schema_says(assembly: Any, variant: Any) -> None:
    templates = [*assembly.templates.values(), *variant.templates.values()]
    resources = [each for template in templates for each in template["Resources"].values()]
    judged: dict[tuple[str, str], tuple[Action, Action]] = {}
    for resource in resources:
        kind = resource_type(resource["Type"])
        wanted = dict.fromkeys(resource.get("Properties", {}), Action.UPDATE if kind.known else Action.MAY_REPLACE)
        for paths, action in ((kind.perhaps_replaced_by, Action.MAY_REPLACE), (kind.replaced_by, Action.REPLACE)):
            # A property of which a part cannot be changed is judged by that part.
            wanted = {path: each for path, each in wanted.items() if path not in {p.split("/")[0] for p in paths}}
            wanted |= dict.fromkeys((path for path in paths if "*" not in path), action)
        for path, action in wanted.items():
            if (resource["Type"], path) in judged or (changed := with_another(resource, path.split("/"))) is None:
                continue
            before, after = (stack("a", {"Resources": {"It": each}}) for each in (resource, changed))
            [found] = resource_actions(before, after)
            judged[resource["Type"], path] = (action, found.action)
    assert {key: pair for key, pair in judged.items() if pair[0] is not pair[1]} == {}
    assert sum(wanted is Action.REPLACE for wanted, _ in judged.values()) > 100


def with_another(resource: dict[str, Any], path: list[str]) -> dict[str, Any] | None:
    """The resource with another value at a path; None where an intrinsic function stands on the way."""
    made = copy.deepcopy(resource)
    node = made.setdefault("Properties", {})
    for part in path[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict) or any(key.startswith(("Ref", "Fn::")) for key in node):
            return None
    node[path[-1]] = "another"
    return made


def test_what_a_stack_no_longer_imports_may_have_lost_its_exporter(deployed: Templates) -> None:
    """The identity of a rule is that of its listener: the last rule goes with the listener's export."""
    after = copy.deepcopy(deployed)
    outputs = after[PLATFORM]["Outputs"]
    [listener] = [key for key, each in outputs.items() if "Listener9189598C" in str(each["Value"])]
    del outputs[listener]
    for name in (CARTS, STORE):
        for key, _ in of_type(after[name], f"{ELB}::ListenerRule"):
            del after[name]["Resources"][key]
    waves = [[stack(PLATFORM, after[PLATFORM])], [stack(name, after[name]) for name in (CARTS, STORE)]]
    result = plan([stack(name, each) for name, each in deployed.items()], waves)
    assert any("is removed while" in str(each) and "by themselves first" in str(each) for each in result.refusals)
