"""What leaves stacks behind, and what is replaced."""

import copy
from typing import Any

import pytest

from helpers.transitions import (
    CARTS,
    ELB,
    PLATFORM,
    STORE,
    Templates,
    nothing,
    of_type,
    only,
    renamed,
    spot,
    stack,
    transition,
    worker,
)
from nova_infra.operations.changes.resource_types import resource_type
from nova_infra.operations.planner import Action, StackTemplate, plan
from nova_infra.operations.planner.actions import resource_actions


def fixed_log_group(after: Templates) -> None:
    only(after[CARTS], "AWS::Logs::LogGroup")["LogGroupName"] = "/nova/carts"


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
    del redirect["Properties"]["Certificates"]
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
    expected = (
        f"{PLATFORM}.{key}: takes FARGATE_SPOT from the cluster while {CARTS} still uses it: deploy {CARTS} by itself"
    )
    assert [line[: len(expected)] for line in said] == ([expected] if used else [])


@pytest.mark.exhaustive("test_another_engine_leaves_the_old_ones_stacks")
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
    assert any(
        "is removed while" in str(each) and f"deploy {CARTS} and {STORE} each by itself" in str(each)
        for each in result.refusals
    )
