"""What a stack leaves behind under its name."""

from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "mailer")
UNREAD = "is kept with its messages, which nobody reads any more, and its name stays taken"


def resource(kind: str = "AWS::SQS::Queue", policy: str = "RetainExceptOnCreate", **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "DeletionPolicy": policy, "UpdateReplacePolicy": "Retain", "Properties": properties}


LETTERS = {"QueueName": "letters"}


@pytest.mark.parametrize(
    ("before", "after", "said_so"),
    [
        pytest.param(resource(**LETTERS), None, UNREAD, id="removed"),
        pytest.param(resource(**LETTERS), resource(QueueName="parcels"), UNREAD, id="renamed"),
        pytest.param(
            resource("AWS::ECR::Repository", RepositoryName="nova/mailer"),
            None,
            "is kept with what it holds",
            id="images",
        ),
        pytest.param(resource(**LETTERS), resource(**LETTERS, VisibilityTimeout=77), None, id="changed in place"),
        pytest.param(resource(policy="Delete", **LETTERS), None, "is deleted: its messages are lost", id="deleted"),
        pytest.param(resource(VisibilityTimeout=77), None, None, id="without a name of its own"),
        pytest.param(resource("AWS::Logs::LogGroup", RetentionInDays=7), None, None, id="a log without a name"),
    ],
)
def test_what_stays_under_its_name_is_reported(before: Any, after: Any, said_so: str | None) -> None:
    other = resource("AWS::SNS::Topic", "Delete")
    stacks = [
        StackTemplate(KEY, {"Resources": {"Other": other} | ({"It": each} if each else {})}) for each in (before, after)
    ]
    consequences = [str(each) for each in plan(stacks[:1], [stacks[1:]]).stacks[0].consequences]
    assert len(consequences) == (said_so is not None)
    assert said_so is None or f"mailer.It: {said_so}" in consequences[0]


@pytest.mark.parametrize(
    ("named", "said_so"),
    [
        (
            "arn:aws:sqs:eu-north-1:210987654321:letters",
            "is kept outside of any stack, and this release still names it",
        ),
        (
            "https://sqs.eu-north-1.amazonaws.com/210987654321/letters",
            "is kept outside of any stack, and this release still names it",
        ),
        ("arn:aws:sqs:eu-north-1:210987654321:letters-dead", f"{UNREAD}: move that elsewhere"),
        ("/ecs/letters", f"{UNREAD}: move that elsewhere"),
    ],
)
def test_a_queue_that_its_stack_only_names_from_now_on_is_still_read(named: str, said_so: str) -> None:
    reader = resource(
        "AWS::IAM::Policy", "Delete", PolicyName="reads", PolicyDocument={"Statement": {"Resource": named}}
    )
    stacks = [
        StackTemplate(KEY, {"Resources": {"Reader": reader, "Other": resource("AWS::SNS::Topic", "Delete")} | more})
        for more in ({"It": resource(**LETTERS)}, {})
    ]
    [line] = [str(each) for each in plan(stacks[:1], [stacks[1:]]).stacks[0].consequences if each.where == "It"]
    assert line.startswith(f"mailer.It: {said_so}")


@pytest.mark.parametrize(
    ("named", "made", "said_so"),
    [
        ("arn:aws:sqs:eu-north-1:210987654321:letters", LETTERS, True),
        ("https://sqs.eu-north-1.amazonaws.com/210987654321/letters", LETTERS, True),
        ("arn:aws:sqs:eu-north-1:210987654321:letters", {"QueueName": "parcels"}, False),
        ("arn:aws:sqs:eu-north-1:210987654321:letters", {}, False),
        ("/ecs/letters", LETTERS, False),
    ],
)
def test_a_new_queue_that_its_stack_has_named_before_may_exist(named: str, made: dict[str, str], said_so: bool) -> None:
    reader = resource("AWS::IAM::Policy", "Delete", PolicyDocument={"Statement": {"Resource": named}})
    stacks = [StackTemplate(KEY, {"Resources": {"Reader": reader} | more}) for more in ({}, {"It": resource(**made)})]
    lines = [str(each) for each in plan(stacks[:1], [stacks[1:]]).stacks[0].consequences]
    assert any(line.startswith("mailer.It: Queue 'letters' is in no stack") for line in lines) is said_so
    assert said_so or lines == []
    # Where another resource of the stack has the name, that is refused.
    holder = StackTemplate(KEY, {"Resources": {"Reader": reader, "Old": resource(**LETTERS)}})
    assert not any("in no stack" in str(each) for each in plan([holder], [stacks[1:]]).stacks[0].consequences)


NAMED = {
    "AWS::SQS::Queue": ("QueueName", "orders", ["arn:aws:sqs:", ":orders"], True),
    "AWS::SNS::Topic": ("TopicName", "orders", "arn:aws-cn:sns:cn-north-1:210987654321:orders", True),
    "AWS::DynamoDB::Table": ("TableName", "orders", ["arn:aws:dynamodb:", ":table/orders/index/day"], True),
    "AWS::Kinesis::Stream": ("Name", "orders", "arn:aws:kinesis:eu-north-1:210987654321:stream/orders", True),
    "AWS::S3::Bucket": ("BucketName", "acme-orders", "arn:aws:s3:::acme-orders/incoming/*", True),
    "AWS::SSM::Parameter": ("Name", "/shop/orders", ["arn:aws:ssm:", ":parameter/shop/orders"], True),
    "AWS::SecretsManager::Secret": (
        *("Name", "orders", "arn:aws:secretsmanager:eu-north-1:210987654321:secret:orders-Ab12Cd"),
        True,
    ),
    "AWS::ECR::Repository": ("RepositoryName", "shop", ["arn:aws:ecr:", ":repository/shop"], True),
    "AWS::RDS::DBInstance": ("DBInstanceIdentifier", "orders", ["arn:aws:rds:", ":db:orders"], True),
    "AWS::CloudWatch::CompositeAlarm": ("AlarmName", "red", ["arn:aws:cloudwatch:", ":alarm:red"], True),
    "AWS::ElasticLoadBalancingV2::TargetGroup": (
        *("Name", "shop", ["arn:aws:elasticloadbalancing:", ":targetgroup/shop/6d0ecf831eec9f09"]),
        True,
    ),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", "reads", "arn:aws:iam::210987654321:policy/reads", True),
    "AWS::OpenSearchService::Domain": ("DomainName", "orders", ["arn:aws:es:", ":domain/orders/*"], False),
    "AWS::CloudWatch::Alarm": ("AlarmName", "orders", "arn:aws:cloudwatch:eu-north-1:210987654321:alarm:orders", True),
}
OTHERS = {
    "a topic for a cluster": ("AWS::ECS::Cluster", "ClusterName", "arn:aws:sns:eu-north-1:210987654321:orders"),
    "an image's tag": ("AWS::SQS::Queue", "QueueName", "210987654321.dkr.ecr.eu-north-1.amazonaws.com/shop:orders"),
    "a topic": ("AWS::SQS::Queue", "QueueName", "arn:aws:sns:eu-north-1:210987654321:orders"),
    "an index": ("AWS::DynamoDB::Table", "TableName", ["arn:aws:dynamodb:", ":table/stock/index/orders"]),
    "a queue of orders in order": ("AWS::SQS::Queue", "QueueName", "arn:aws:sqs:eu-north-1:210987654321:orders.fifo"),
    "a parameter below": ("AWS::SSM::Parameter", "Name", ["arn:aws:ssm:", ":parameter/orders/new"]),
}


@pytest.mark.parametrize(
    ("kind", "key", "name", "stated", "named"),
    [(kind, *each) for kind, each in NAMED.items()]
    + [(kind, key, "orders", stated, False) for kind, key, stated in OTHERS.values()],
    ids=[*NAMED, *OTHERS],
)
@pytest.mark.parametrize("kept", [True, False])
def test_a_name_is_met_in_an_arn_of_its_own_type_alone(
    kind: str, key: str, name: str, stated: Any, named: bool, kept: bool
) -> None:
    """Split by the account's and region's references, as CDK writes it, or whole."""
    if isinstance(stated, list):
        here = [{"Ref": "AWS::Region"}, ":", {"Ref": "AWS::AccountId"}]
        stated = {"Fn::Join": ["", [stated[0], *here[:2], here[2] if kept else {"Ref": "Account"}, stated[1]]]}
    reader = resource("AWS::IAM::Policy", "Delete", PolicyDocument={"Statement": {"Resource": [stated]}})
    both = [
        StackTemplate(KEY, {"Resources": {"Reader": reader} | more})
        for more in ({}, {"It": resource(kind, **{key: name})})
    ]
    deployed, release = reversed(both) if kept else both
    [*lines] = [str(each) for each in plan([deployed], [[release]]).stacks[0].consequences]
    assert any("still names it" in each or "names it already" in each for each in lines) is named


def test_nothing_is_kept_by_a_replacement_that_is_refused() -> None:
    keys = [[{"AttributeName": name, "KeyType": "HASH"}] for name in ("id", "day")]
    tables = [resource("AWS::DynamoDB::Table", "Retain", TableName="orders", KeySchema=key) for key in keys]
    stacks = [StackTemplate(KEY, {"Resources": {"Orders": each}}) for each in tables]
    planned = plan(stacks[:1], [stacks[1:]]).stacks[0]
    assert any("has a fixed name" in each.fault for each in planned.refusals)
    assert planned.consequences == ()


def test_what_two_resources_have_at_once_is_refused_although_it_does_not_change() -> None:
    """No deployment can have made both, so a baseline that has them was never deployed."""
    rules = {
        name: resource("AWS::ElasticLoadBalancingV2::ListenerRule", ListenerArn="arn", Priority=10, Conditions=[name])
        for name in ("Shop", "Blog")
    }
    log = {"Log": resource("AWS::Logs::LogGroup", LogGroupName="/acme/portal")}
    first, second = (
        StackTemplate(StackKey("210987654321", "eu-north-1", name), {"Resources": {**log, **more}})
        for name, more in (("first", rules), ("second", {}))
    )
    changed = [
        StackTemplate(each.key, {"Resources": {**each.template["Resources"], "New": resource()}})
        for each in (first, second)
    ]
    refused = [str(each) for each in plan([first, second], [changed[:1], changed[1:]]).refusals]
    assert [each.partition(":")[0] for each in refused] == ["first.Shop.Priority", "second.Log.LogGroupName"]
    assert "LogGroup '/acme/portal' belongs to first.Log already" in refused[1]


def test_a_name_of_another_stack_is_taken_where_aws_has_each_once() -> None:
    spaces = "AWS::ServiceDiscovery::"
    first = {
        "Names": resource(f"{spaces}HttpNamespace", Name="shop"),
        "Hosts": resource(f"{spaces}PrivateDnsNamespace", Name="shop.internal", Vpc="vpc-0a"),
        "Mail": resource(f"{spaces}Service", Name="mail", NamespaceId="ns-1"),
        "Chat": resource(f"{spaces}Service", Name="chat", DnsConfig={"NamespaceId": "ns-1", "DnsRecords": []}),
        "Feed": resource(f"{spaces}Service", Name="feed", DnsConfig={"NamespaceId": "ns-3", "DnsRecords": []}),
        "Login": resource("AWS::SecretsManager::Secret", Name="shop/login"),
        "Orders": resource("AWS::DynamoDB::Table", TableName="orders"),
        "Data": resource("AWS::RDS::DBInstance", DBInstanceIdentifier="shop"),
        "Clicks": resource("AWS::Kinesis::Stream", Name="clicks"),
    }
    second = {
        **first,
        "Hosts": resource(f"{spaces}PrivateDnsNamespace", Name="shop.internal", Vpc="vpc-0b"),
        "Mail": resource(f"{spaces}Service", Name="mail", NamespaceId="ns-2"),
        "Chat": resource(f"{spaces}Service", Name="chat", DnsConfig={"NamespaceId": "ns-2", "DnsRecords": []}),
        "Feed": resource(f"{spaces}Service", Name="feed", NamespaceId="ns-3"),
        "Orders": resource("AWS::DynamoDB::GlobalTable", TableName="orders"),
    }
    stacks = [
        StackTemplate(StackKey("210987654321", "eu-north-1", name), {"Resources": each})
        for name, each in (("first", first), ("second", second))
    ]
    refused = {each.where: each.fault for each in plan(stacks[:1], [stacks[1:]]).refusals if "belongs to" in each.fault}
    assert sorted(refused) == [
        "Clicks.Name",
        "Data.DBInstanceIdentifier",
        "Feed.Name",
        "Login.Name",
        "Names.Name",
        "Orders.TableName",
    ]
    assert "HttpNamespace 'shop' belongs to first.Names" in refused["Names.Name"]


@pytest.mark.parametrize(
    ("service", "suffix", "refused"),
    [("ecs", {}, True), ("ecs", {"CustomSuffix": "a"}, False), ("rds", {}, False)],
)
def test_the_role_of_a_service_that_the_account_uses_is_there(service: str, suffix: Any, refused: bool) -> None:
    cluster = StackTemplate(
        StackKey("210987654321", "eu-west-3", "shop"), {"Resources": {"C": {"Type": "AWS::ECS::Cluster"}}}
    )
    role = {
        "Type": "AWS::IAM::ServiceLinkedRole",
        "Properties": {"AWSServiceName": f"{service}.amazonaws.com", **suffix},
    }
    found = plan([cluster], [[StackTemplate(KEY, {"Resources": {"Role": role}})]]).refusals
    assert [each.where for each in found] == (["Role"] if refused else [])
    assert plan([], [[StackTemplate(KEY, {"Resources": {"Role": role}})]]).refusals == []


def test_a_name_made_of_a_stack_s_own_resources_is_another_one_in_each_stack() -> None:
    target = resource(
        "AWS::ApplicationAutoScaling::ScalableTarget",
        ResourceId={"Fn::Join": ["/", ["service", {"Ref": "Cluster"}, {"Fn::GetAtt": ["Service", "Name"]}]]},
        ScalableDimension="ecs:service:DesiredCount",
        ServiceNamespace="ecs",
    )
    stacks = [
        StackTemplate(StackKey("210987654321", "eu-north-1", name), {"Resources": {"Target": target}})
        for name in ("dev", "live")
    ]
    changed = [StackTemplate(each.key, {"Resources": {"Target": target, "New": resource()}}) for each in stacks]
    for had in ([], stacks):
        assert not any("belongs to" in str(each) for each in plan(had, [changed[:1], changed[1:]]).refusals)


@pytest.mark.parametrize(
    ("waits_for", "port", "said_so"), [(["Main"], 443, True), ([], 443, False), (["Main"], 80, False)]
)
def test_a_port_that_changes_hands_has_no_way_back(waits_for: list[str], port: int, said_so: bool) -> None:
    """A rollback would give the port back while the new listener still has it."""

    def listener(port: int, *after: str) -> dict[str, Any]:
        properties = {"Port": port, "LoadBalancerArn": "arn:aws:elasticloadbalancing:eu-north-1:210987654321:lb"}
        return {"Type": "AWS::ElasticLoadBalancingV2::Listener", "DependsOn": list(after), "Properties": properties}

    before = StackTemplate(KEY, {"Resources": {"Main": listener(80)}})
    after = {"Main": listener(port), "Redirect": listener(80 if port == 443 else 81, *waits_for)}
    [planned] = plan([before], [[StackTemplate(KEY, {"Resources": after})]]).stacks
    lines = [str(each) for each in planned.consequences]
    assert (
        any("Redirect: takes port 80 of Main, and a rollback would need it back" in each for each in lines) is said_so
    )
    assert bool(planned.refusals) is (port == 443 and not waits_for)
