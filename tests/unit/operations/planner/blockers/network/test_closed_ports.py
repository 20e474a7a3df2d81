"""Ways: ports that templates certainly close to tasks, and those that they leave open or in doubt."""

from typing import Any

import pytest

from nova_infra.names import BEFORE_DEPLOY
from nova_infra.operations.planner import StackKey, StackTemplate, Ways, World, plan

Template = dict[str, Any]

HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}
URL = "postgresql://shop@orders.internal/shop"


def at(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "GroupId"]}


def rule(port: int, **other: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **other}


def out(port: int, cidr: str = "0.0.0.0/0") -> dict[str, Any]:
    return rule(port, CidrIp=cidr)


def group(*egress: dict[str, Any], ingress: Any = ()) -> dict[str, Any]:
    rules = {"SecurityGroupEgress": list(egress), "SecurityGroupIngress": list(ingress)}
    return {"Type": "AWS::EC2::SecurityGroup", "Properties": {key: each for key, each in rules.items() if each}}


def service(groups: Any = None, subnets: Any = None) -> dict[str, Any]:
    network = {"SecurityGroups": groups or [at("Tasks")], "Subnets": subnets or ["subnet-1"]}
    properties = {"TaskDefinition": {"Ref": "Task"}, "NetworkConfiguration": {"AwsvpcConfiguration": network}}
    return {"Type": "AWS::ECS::Service", "Properties": properties}


def task(**variables: Any) -> dict[str, Any]:
    environment = [{"Name": name, "Value": value} for name, value in variables.items()]
    containers = [{"Name": "app", "Image": "shop:1", "Environment": environment}]
    return {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Family": "shop", "ContainerDefinitions": containers}}


def stack(_name: str = "shop", _outputs: Any = None, **resources: Any) -> StackTemplate:
    return StackTemplate(StackKey("1", "eu-west-1", _name), {"Resources": resources, "Outputs": _outputs or {}})


def closed(after: StackTemplate, port: int | None = 5432, network: str = "", others: Any = ()) -> str:
    return Ways(World(others), after).closed("Task", port, network)


@pytest.mark.parametrize("egress", [[HTTPS], [out(6432)], [rule(5432, CidrIp="127.0.0.1/32")], [{**HTTPS}, out(5431)]])
def test_a_port_is_closed_that_no_rule_of_the_group_opens(egress: list[dict[str, Any]]) -> None:
    made = stack(Task=task(), Shop=service(), Tasks=group(*egress))
    assert closed(made) == "no rule of Tasks lets port 5432 out"


@pytest.mark.parametrize(
    "egress",
    [
        [],  # EC2 lets everything out then.
        [out(5432)],
        [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}],
        [{"IpProtocol": "tcp", "FromPort": 5000, "ToPort": 6000, "CidrIp": "10.0.0.0/8"}],
        [HTTPS, {"Fn::If": ["Open", out(5432), {"Ref": "AWS::NoValue"}]}],
        [HTTPS, rule(5432, DestinationSecurityGroupId="sg-1")],
    ],
)
def test_a_port_is_open_that_a_rule_opens_or_may_open(egress: list[dict[str, Any]]) -> None:
    assert not closed(stack(Task=task(), Shop=service(), Tasks=group(*egress)))


def test_a_rule_of_its_own_opens_a_port_wherever_it_is_defined() -> None:
    properties = {"GroupId": at("Tasks"), **out(5432)}
    opener = {"Type": "AWS::EC2::SecurityGroupEgress", "Properties": properties}
    assert not closed(stack(Task=task(), Shop=service(), Tasks=group(HTTPS), Opener=opener))
    exported = {"Group": {"Value": at("Tasks"), "Export": {"Name": "tasks"}}}
    properties["GroupId"] = imported = {"Fn::ImportValue": "tasks"}
    network = stack("network", exported, Tasks=group(HTTPS), Opener=opener)
    assert not closed(stack(Task=task(), Shop=service([imported])), others=[network])
    network = stack("network", exported, Tasks=group(HTTPS))
    assert closed(stack(Task=task(), Shop=service([imported])), others=[network])


@pytest.mark.parametrize(
    "groups", [["sg-1"], [at("Tasks"), "sg-1"], [{"Fn::ImportValue": "elsewhere"}], {"Ref": "All"}]
)
def test_nothing_is_closed_by_a_group_that_no_template_holds(groups: Any) -> None:
    assert not closed(stack(Task=task(), Shop=service(groups), Tasks=group(HTTPS)))


def test_one_of_several_groups_is_enough() -> None:
    both = [at("Tasks"), at("More")]
    assert not closed(stack(Task=task(), Shop=service(both), Tasks=group(HTTPS), More=group(out(5432))))
    assert closed(stack(Task=task(), Shop=service(both), Tasks=group(HTTPS), More=group(out(80))))


def test_a_rule_for_other_addresses_opens_nothing_for_this_one() -> None:
    made = stack(Task=task(), Shop=service(), Tasks=group(HTTPS, out(5432, "10.1.0.0/16")))
    assert closed(made, network="10.2.0.7")
    assert not closed(made, network="10.1.0.7")
    assert not closed(made, network="orders.internal")


def test_any_port_but_the_webs_is_asked_for_where_nobody_knows_which() -> None:
    web = [HTTPS, out(80), {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "CidrIp": "0.0.0.0/0"}]
    assert closed(stack(Task=task(), Shop=service(), Tasks=group(*web)), None)
    assert not closed(stack(Task=task(), Shop=service(), Tasks=group(*web, out(15432))), None)
    assert not closed(
        stack(Task=task(), Shop=service(), Tasks=group({"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"})), None
    )


def test_the_task_of_a_state_machine_and_of_a_command_before_the_deployment_has_its_group() -> None:
    parts = [
        '{"TaskDefinition":"',
        {"Ref": "Task"},
        '","SecurityGroups":["',
        at("Tasks"),
        '"]}',
        {"Ref": "AWS::Region"},
    ]
    text = {"Fn::Join": ["", parts]}
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionString": text}}
    assert closed(stack(Task=task(), Machine=machine, Tasks=group(HTTPS)))
    assert not closed(stack(Task=task(), Machine=machine, Tasks=group(out(5432))))
    parts.append({"Fn::ImportValue": "a group that nobody knows"})
    assert not closed(stack(Task=task(), Machine=machine, Tasks=group(HTTPS)))
    before = {"Type": BEFORE_DEPLOY, "Properties": {"Family": "shop", "SecurityGroups": [at("Tasks")]}}
    assert closed(stack(Task=task(), Before=before, Tasks=group(HTTPS)))
    assert not closed(stack(Task=task(), Before=before, Tasks=group(HTTPS), Shop=service(["sg-1"])))


def entry(number: int, action: str, **other: Any) -> dict[str, Any]:
    about = {"NetworkAclId": {"Ref": "Acl"}, "RuleNumber": number, "RuleAction": action, "Egress": True, "Protocol": 6}
    return {"Type": "AWS::EC2::NetworkAclEntry", "Properties": {**about, "CidrBlock": "0.0.0.0/0", **other}}


@pytest.mark.parametrize(
    ("entries", "is_closed"),
    [
        ([entry(100, "allow", PortRange={"From": 443, "To": 443})], True),
        ([entry(100, "allow", Protocol=-1), entry(90, "deny", PortRange={"From": 5432, "To": 5432})], True),
        ([entry(100, "deny", PortRange={"From": 5432, "To": 5432}), entry(90, "allow", Protocol=-1)], False),
        ([entry(90, "deny", CidrBlock="10.0.0.0/8"), entry(100, "allow", Protocol=-1)], False),
        ([entry(100, "allow", Protocol=-1), entry(90, "deny", Egress=False)], False),
    ],
)
def test_a_network_acl_is_read_in_the_order_of_its_numbers(entries: list[dict[str, Any]], is_closed: bool) -> None:
    resources: Template = {f"Entry{number}": each for number, each in enumerate(entries)}
    link = {"SubnetId": {"Ref": "Subnet"}, "NetworkAclId": {"Ref": "Acl"}}
    made = stack(
        Task=task(),
        Shop=service(subnets=[{"Ref": "Subnet"}]),
        Tasks=group(),
        Subnet={"Type": "AWS::EC2::Subnet"},
        Acl={"Type": "AWS::EC2::NetworkAcl"},
        Link={"Type": "AWS::EC2::SubnetNetworkAclAssociation", "Properties": link},
        **resources,
    )
    assert closed(made) == ("no entry of Acl lets port 5432 out" if is_closed else "")


def consequences(after: StackTemplate, *before: StackTemplate) -> list[str]:
    planned = plan(before, [[after]])
    return [
        str(each) for stack in planned.stacks for each in stack.consequences if "time out" in each.what and each.hurts
    ]


def test_a_variable_that_leads_to_a_closed_port_is_said_once_it_is_closed() -> None:
    shut = stack(Task=task(DATABASE_URL=URL, SITE="https://a.example:8443"), Shop=service(), Tasks=group(HTTPS))
    lets = stack(Task=task(DATABASE_URL=URL), Shop=service(), Tasks=group(HTTPS, out(5432)))
    [said] = consequences(shut, lets)
    why = "no rule of Tasks lets port 5432 out"
    assert said.startswith(f"shop.Task: DATABASE_URL leads to orders.internal, but {why}, so connections")
    assert consequences(shut) == [said]
    assert not consequences(lets, shut)
    changed = stack(Task=task(DATABASE_URL=URL, LEVEL="3"), Shop=service(), Tasks=group(HTTPS))
    assert not consequences(changed, shut)


def database(**properties: Any) -> dict[str, Any]:
    about = {"Engine": "postgres", "VPCSecurityGroups": [at("Data")], **properties}
    return {"Type": "AWS::RDS::DBInstance", "Properties": about}


HOST = {"Fn::GetAtt": ["Orders", "Endpoint.Address"]}


@pytest.mark.parametrize(
    ("ingress", "is_closed"),
    [
        ([], True),
        ([rule(5432, SourceSecurityGroupId=at("Others"))], True),
        ([rule(3306, SourceSecurityGroupId=at("Tasks"))], True),
        ([rule(5432, SourceSecurityGroupId=at("Tasks"))], False),
        ([rule(5432, SourceSecurityGroupId="sg-1")], False),
        ([rule(5432, CidrIp="10.0.0.0/16")], False),
    ],
)
def test_a_database_of_the_templates_has_to_let_its_tasks_in(ingress: list[dict[str, Any]], is_closed: bool) -> None:
    resources: Template = {"Task": task(DB_HOST=HOST), "Shop": service(), "Tasks": group(), "Others": group()}
    made = stack(**resources, Orders=database(), Data=group(ingress=ingress))
    found = list(Ways(World([]), made).unreached("Task"))
    why = "no rule of Data lets them in to port 5432"
    assert found == ([("its tasks use Orders", 5432, why)] if is_closed else [])
    opener = {"GroupId": at("Data"), **rule(5432, SourceSecurityGroupId=at("Tasks"))}
    opened = {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": opener}
    made = stack(**resources, Orders=database(), Data=group(ingress=ingress), Opener=opened)
    assert not list(Ways(World([]), made).unreached("Task"))


def attached(target: Any = None) -> dict[str, Any]:
    properties = {"SecretId": {"Ref": "Secret"}, "TargetId": target or {"Ref": "Orders"}}
    return {"Type": "AWS::SecretsManager::SecretTargetAttachment", "Properties": properties}


PASSWORD = {"Fn::Join": ["", [{"Ref": "Attached"}, ":password::"]]}
MASTER = {"Fn::GetAtt": ["Orders", "MasterUserSecret.SecretArn"]}


@pytest.mark.parametrize(
    ("variables", "secret", "others", "is_used"),
    [
        ({"DB_HOST": HOST}, None, {}, True),
        ({}, PASSWORD, {}, True),
        ({}, MASTER, {}, True),
        ({"CACHE_HOST": "cache.internal"}, PASSWORD, {}, True),
        # The Data API, or somebody who only looks at it.
        ({"DB_ID": {"Ref": "Orders"}, "SECRET_ARN": {"Ref": "Attached"}, "KEY": MASTER}, None, {}, False),
        ({"CLUSTER_ARN": {"Fn::GetAtt": ["Orders", "DBInstanceArn"]}}, None, {}, False),
        # Who has a secret may go another way.
        ({"DB_HOST": "pool.internal"}, PASSWORD, {}, False),
        ({}, PASSWORD, {"Proxy": {"Type": "AWS::RDS::DBProxy"}}, False),
        ({}, PASSWORD, {"Attached": attached({"Fn::ImportValue": "elsewhere"})}, False),
        ({}, {"Ref": "Secret"}, {}, False),
    ],
)
def test_tasks_use_a_database_by_its_address_or_by_its_secret(
    variables: dict[str, Any], secret: Any, others: Template, is_used: bool
) -> None:
    definition = task(**variables)
    definition["Properties"]["ContainerDefinitions"][0]["Secrets"] = [{"Name": "PASSWORD", "ValueFrom": secret}]
    parts: Template = {"Shop": service(), "Tasks": group(), "Orders": database(), "Data": group(), **others}
    secrets: Template = {"Secret": {"Type": "AWS::SecretsManager::Secret"}, "Attached": attached()}
    found = list(Ways(World([]), stack(Task=definition, **{**secrets, **parts})).unreached("Task"))
    assert [said for said, *_ in found] == (["its tasks use Orders"] if is_used else [])


@pytest.mark.parametrize(
    ("cidr", "block", "is_closed"),
    [
        ("192.168.0.0/16", "10.0.1.0/24", True),
        ("10.0.2.7/32", "10.0.1.0/24", True),
        ("10.0.1.7/32", "10.0.1.0/24", False),
        ("0.0.0.0/0", "10.0.1.0/24", False),
        ("52.1.2.3/32", "10.0.1.0/24", False),
        ({"Fn::GetAtt": ["Network", "CidrBlock"]}, "10.0.1.0/24", False),
        ("192.168.0.0/16", {"Ref": "Block"}, False),
    ],
)
def test_a_range_of_other_private_addresses_lets_no_tasks_in(cidr: Any, block: Any, is_closed: bool) -> None:
    made = stack(
        Task=task(DB_HOST=HOST),
        Shop=service(subnets=[{"Ref": "Subnet"}]),
        Subnet={"Type": "AWS::EC2::Subnet", "Properties": {"CidrBlock": block}},
        Tasks=group(),
        Orders=database(),
        Data=group(ingress=[rule(5432, CidrIp=cidr)]),
    )
    assert bool(list(Ways(World([]), made).unreached("Task"))) == is_closed


@pytest.mark.parametrize(
    "properties", [{"Port": {"Ref": "Port"}}, {"Engine": "db2-se"}, {"VPCSecurityGroups": ["sg-1"]}]
)
def test_a_database_in_doubt_lets_its_tasks_in(properties: dict[str, Any]) -> None:
    made = stack(Task=task(DB_HOST=HOST), Shop=service(), Tasks=group(), Orders=database(**properties), Data=group())
    assert not list(Ways(World([]), made).unreached("Task"))
