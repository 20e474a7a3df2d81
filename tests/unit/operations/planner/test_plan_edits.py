"""Edits of a service's own keys, and of what its environment shares: what the plan says to each.

The templates are edited as a synthesis of the edited nova.toml differs from the one before.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.transitions import CARTS, ELB, OVERVIEW, PLATFORM, STORE, Templates, nothing, of_type, only, transition
from nova_infra.operations.planner import Action

Edit = Callable[[Templates], None]
PLACE = "us-east-1:333333333333"
SIDECAR = {"Name": "otel", "Image": "ghcr.io/acme/otel", "Essential": False}
TOKEN = {"Name": "TOKEN", "ValueFrom": f"arn:aws:secretsmanager:{PLACE}:secret:acme/token"}
READS = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": f"{TOKEN['ValueFrom']}-??????"}
ASKS = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::acme/*"}


def container(templates: Templates) -> dict[str, Any]:
    found: dict[str, Any] = only(templates[CARTS], "AWS::ECS::TaskDefinition")["ContainerDefinitions"][0]
    return found


def sidecars(*found: dict[str, Any]) -> Edit:
    def edit(templates: Templates) -> None:
        definition = only(templates[CARTS], "AWS::ECS::TaskDefinition")
        definition["ContainerDefinitions"] = [container(templates), *found]

    return edit


def statements(templates: Templates, role: str) -> list[dict[str, Any]]:
    """The statements of a role's own policy, which is there already or is made."""
    resources = templates[CARTS]["Resources"]
    role_id = only(templates[CARTS], "AWS::ECS::TaskDefinition")[role]["Fn::GetAtt"][0]
    empty = {"PolicyName": "Own", "PolicyDocument": {"Statement": []}, "Roles": [{"Ref": role_id}]}
    for each in resources.values():
        if each["Type"] == "AWS::IAM::Policy" and each["Properties"]["Roles"] == [{"Ref": role_id}]:
            break
    else:
        each = resources["Own"] = {"Type": "AWS::IAM::Policy", "Properties": empty}
    found: list[dict[str, Any]] = each["Properties"]["PolicyDocument"]["Statement"]
    return found


def secret(templates: Templates) -> None:
    container(templates)["Secrets"] = [TOKEN]
    statements(templates, "ExecutionRoleArn").append(READS)


def no_secret(templates: Templates) -> None:
    del container(templates)["Secrets"]
    statements(templates, "ExecutionRoleArn").remove(READS)


def moved_secret(templates: Templates) -> None:
    no_secret(templates)
    container(templates)["Secrets"] = [{"Name": "TOKEN", "ValueFrom": f"arn:aws:ssm:{PLACE}:parameter/acme/token"}]
    read = {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": f"arn:aws:ssm:{PLACE}:parameter/acme/token"}
    statements(templates, "ExecutionRoleArn").append(read)


def permission(templates: Templates) -> None:
    statements(templates, "TaskRoleArn").append(copy.deepcopy(ASKS))


def narrower(templates: Templates) -> None:
    [asks] = [each for each in statements(templates, "TaskRoleArn") if each == ASKS]
    asks["Resource"] = "arn:aws:s3:::acme/public/*"


def no_policy(templates: Templates) -> None:
    resources = templates[CARTS]["Resources"]
    name = next(key for key, each in resources.items() if ASKS in str_statements(each))
    del resources[name]


def str_statements(resource: dict[str, Any]) -> list[Any]:
    found: list[Any] = resource["Properties"].get("PolicyDocument", {}).get("Statement", [])
    return found


def runs_first(templates: Templates) -> None:
    templates[CARTS]["Resources"] |= {
        "BeforeLogs": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"RetentionInDays": 30},
            "DeletionPolicy": "Delete",
        },
        "BeforeRun": {"Type": "Custom::NovaBeforeDeploy", "Properties": {"ServiceToken": "arn:aws:lambda:x"}},
    }


def runs_nothing_first(templates: Templates) -> None:
    for name in ("BeforeLogs", "BeforeRun"):
        del templates[CARTS]["Resources"][name]


def port(templates: Templates) -> None:
    container(templates)["PortMappings"][0]["ContainerPort"] = 9001
    for balancer in only(templates[CARTS], "AWS::ECS::Service")["LoadBalancers"]:
        balancer["ContainerPort"] = 9001
    for _, rule in of_type(templates[CARTS], "AWS::EC2::SecurityGroupIngress"):
        rule["Properties"] |= {"FromPort": 9001, "ToPort": 9001}


def health(**properties: Any) -> Edit:
    def edit(templates: Templates) -> None:
        for _, group in of_type(templates[CARTS], f"{ELB}::TargetGroup"):
            group["Properties"] |= properties

    return edit


def gate(templates: Templates) -> None:
    hook = {"TargetType": "PAUSE", "LifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"]}
    only(templates[CARTS], "AWS::ECS::Service")["DeploymentConfiguration"]["LifecycleHooks"] = [hook]


def no_gate(templates: Templates) -> None:
    del only(templates[CARTS], "AWS::ECS::Service")["DeploymentConfiguration"]["LifecycleHooks"]


def fewer_at_night(templates: Templates) -> None:
    action = {
        "ScheduledActionName": "night",
        "Schedule": "cron(0 20 * * ? *)",
        "ScalableTargetAction": {"MinCapacity": 1},
    }
    only(templates[CARTS], "AWS::ApplicationAutoScaling::ScalableTarget")["ScheduledActions"] = [action]


def shared_cluster(templates: Templates) -> None:
    """The platform makes no cluster any more, and its services name one that exists."""
    stated = json.dumps(templates[PLATFORM]).replace(":cluster/nova-prod", ":cluster/shared")
    templates[PLATFORM] = json.loads(stated)
    resources = templates[PLATFORM]["Resources"]
    for key, _ in (
        *of_type(templates[PLATFORM], "AWS::ECS::Cluster"),
        *of_type(templates[PLATFORM], "AWS::ECS::ClusterCapacityProviderAssociations"),
    ):
        del resources[key]
    outputs = templates[PLATFORM]["Outputs"]
    for key in [key for key in outputs if "RefCluster" in key]:
        del outputs[key]
    for name in (CARTS, STORE):
        only(templates[name], "AWS::ECS::Service")["Cluster"] = "shared"


def balancer_goes(templates: Templates) -> None:
    """A load balancer that exists takes its place; the stack of the second service is no longer in the release."""
    for key in [key for key in templates[PLATFORM]["Outputs"] if "IngressLoadBalancerListener" in key]:
        del templates[PLATFORM]["Outputs"][key]
    for _, rule in of_type(templates[CARTS], f"{ELB}::ListenerRule"):
        rule["Properties"]["ListenerArn"] = f"arn:aws:elasticloadbalancing:{PLACE}:listener/app/shared/1/2"
    del templates[STORE]
    for key, _ in of_type(templates[OVERVIEW], "AWS::CloudWatch::Dashboard"):
        templates[OVERVIEW]["Resources"][key]["Properties"] = {"DashboardBody": "{}"}


@dataclass(frozen=True)
class Row:
    """An edit with its judgement.

    Attributes:
        edit: Edits the templates; None where it undoes what was edited first.
        first: Edits what is deployed before.
        refused: What is refused, by its words.
        told: What else is said, by its words; all that is said.
        replaced: Types of what is replaced.
    """

    edit: Edit | None
    first: Edit = nothing
    refused: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()


_TASK = ("AWS::ECS::TaskDefinition",)
_TOKEN_LOST = (
    "loses secretsmanager:GetSecretValue on arn:aws:secretsmanager:us-east-1:333333333333:secret:acme/token before the "
    "running revision is gone, so its tasks cannot start without the secret TOKEN: take the permission away"
)
ROWS = {
    "a sidecar": Row(sidecars(SIDECAR), replaced=_TASK),
    "no sidecar": Row(sidecars(), first=sidecars(SIDECAR), replaced=_TASK),
    "an essential sidecar": Row(sidecars({**SIDECAR, "Essential": True}), first=sidecars(SIDECAR), replaced=_TASK),
    "a command before": Row(runs_first),
    "no command before": Row(
        runs_nothing_first, first=runs_first, told=("BeforeLogs: is deleted: its log events are lost",)
    ),
    "a gate": Row(gate),
    "no gate": Row(no_gate, first=gate),
    "another port": Row(port, replaced=("AWS::EC2::SecurityGroupIngress", *_TASK)),
    "another health path": Row(
        health(HealthCheckPath="/up"),
        told=(
            "its health check gets another path before the new revision starts: if the running one does not answer at "
            "/up",
        ),
    ),
    "another answer": Row(health(Matcher={"HttpCode": "200-299"}), told=("another expected answer",)),
    "checked more often": Row(health(HealthCheckIntervalSeconds=7)),
    "a secret": Row(secret, replaced=_TASK),
    "no secret": Row(no_secret, first=secret, told=(_TOKEN_LOST,), replaced=_TASK),
    "a moved secret": Row(moved_secret, first=secret, told=(_TOKEN_LOST,), replaced=_TASK),
    "a permission": Row(permission),
    "a narrower permission": Row(
        narrower,
        first=permission,
        told=("loses s3:GetObject, s3:PutObject on arn:aws:s3:::acme/* before the running revision is gone",),
    ),
    # The policy is a resource of its own: CloudFormation deletes it when everything else has succeeded.
    "no permission": Row(no_policy, first=permission),
    "a schedule": Row(fewer_at_night),
    "a cluster that exists": Row(
        shared_cluster,
        refused=(
            "is removed while nova-prod-carts-service, nova-prod-store-service still uses it: deploy "
            "nova-prod-carts-service and nova-prod-store-service each by itself",
            "takes FARGATE from the cluster",
        ),
    ),
    "a cluster of its own": Row(
        None,
        first=shared_cluster,
        told=(
            "nova-prod-carts-service.WebServiceD04B5F3E: is replaced (Cluster cannot be changed in place): the new "
            "service gets all traffic at once",
            "nova-prod-store-service.WebServiceD04B5F3E: is replaced",
        ),
        replaced=("AWS::ECS::Service",),
    ),
    "a load balancer that exists": Row(
        balancer_goes,
        refused=("and deliver this again", "delete nova-prod-store-service, which the release no longer has"),
    ),
}


@pytest.mark.parametrize("name", one_of_each(ROWS))
def test_an_edit_of_a_service_is_judged(deployed: Templates, name: str) -> None:
    row = ROWS[name]
    before = copy.deepcopy(deployed)
    row.first(before)
    result = transition(before, row.edit or (lambda after: after.update(deployed)))
    refused = "\n".join(map(str, result.refusals))
    assert bool(refused) is bool(row.refused), refused
    assert [words for words in row.refused if words not in refused] == [], refused
    if row.refused:
        return
    told = [str(each) for planned in result.stacks for each in planned.consequences]
    assert len(told) == len(row.told), told
    assert [words for words in row.told if not any(words in each for each in told)] == [], told
    actions = [action for planned in result.stacks for action in planned.actions]
    replaced = {action.type for action in actions if action.action in (Action.REPLACE, Action.MAY_REPLACE)}
    assert replaced == set(row.replaced)
