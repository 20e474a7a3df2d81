"""What a service of an environment before the approval reaches of what the approval protects."""

from typing import Any

import pytest

from helpers.small_pipeline import Template, allow, put
from nova_infra.checks.permissions.boundary import production_out_of_reach
from nova_infra.checks.rule import Template as Loaded
from nova_infra.checks.stages import Promotion

DEV, STAGING, PROD, TOOLS = "111111111111", "222222222222", "333333333333", "444444444444"
PROMOTION = Promotion(TOOLS, (("Dev", DEV, False), ("Staging", STAGING, True), ("Prod", PROD, True)))
TASKS = allow("sts:AssumeRole", Principal={"Service": "ecs-tasks.amazonaws.com"})


def with_task(*documents: dict[str, Any]) -> Template:
    """A service's stack, whose code runs by a role with some policies."""
    template: Template = {"Resources": {}}
    policies = [{"PolicyDocument": each} for each in documents]
    put(template, "Task", "AWS::IAM::Role", AssumeRolePolicyDocument=TASKS, Policies=policies)
    return template


def details(template: Template, account: str, stage: str) -> list[str]:
    loaded = Loaded(template["Resources"], account, PROMOTION.beyond(stage), PROMOTION.before(stage))
    return [finding.detail for finding in production_out_of_reach(loaded)]


def role(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


OWN = {"Fn::Sub": role("${AWS::AccountId}", "reports")}
IMPORTED = {"Fn::ImportValue": "dev-reports-role"}


BEYOND = {
    "production's release role": allow("sts:AssumeRole", role(PROD, "nova-prod-release")),
    "production's observer": allow("sts:AssumeRole", role(PROD, "nova-prod-observer")),
    "a role of an environment with an approval": allow("sts:AssumeRole", role(STAGING, "anything")),
    "a role of any account": allow("sts:AssumeRole", "arn:aws:iam::*:role/nova-prod-release"),
    "any role": allow("sts:assume*"),
    "all roles but one": {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "NotResource": role(DEV, "x")}},
    "a role under a condition that a missing key meets": allow(
        "sts:AssumeRole", role(PROD, "x"), Condition={"StringEqualsIfExists": {"aws:PrincipalTag/team": "shop"}}
    ),
    "a role whose name is imported": allow(
        "sts:AssumeRole", {"Fn::Join": ["", [f"arn:aws:iam::{PROD}:role/", {"Fn::ImportValue": "name"}]]}
    ),
    "a role whose ARN is given to the stack": allow("sts:AssumeRole", {"Ref": "ReportsRole"}),
    "what another stack exports, which may be any ARN": allow("sts:AssumeRole", IMPORTED),
    "all roles but an imported one": {
        "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "NotResource": IMPORTED}
    },
    "any role, though an imported one is denied": {
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"},
            {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": IMPORTED},
        ]
    },
    "a step of the pipeline": allow("sts:AssumeRole", role(TOOLS, "nova-prod-verify-step")),
    "the tags of a session": allow("sts:TagSession", role(PROD, "x")),
    "production's function": allow("lambda:UpdateFunctionCode", f"arn:aws:lambda:us-east-1:{PROD}:function:smoke"),
    "production's ledger": allow("ssm:PutParameter", f"arn:aws:ssm:us-east-1:{PROD}:parameter/nova/prod/release"),
    "a released image": allow("ecr:PutImage", f"arn:aws:ecr:us-east-1:{TOOLS}:repository/nova/carts-service"),
    "an image removed": allow("ecr:BatchDeleteImage", f"arn:aws:ecr:us-east-1:{TOOLS}:repository/nova/*"),
    "production's secret": allow(
        "secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:us-east-1:{PROD}:secret:nova/token-??????"
    ),
    "what production's users wrote": allow("dynamodb:Query", f"arn:aws:dynamodb:us-east-1:{PROD}:table/orders"),
    "a bus in an account by most of its digits": allow(
        "events:PutEvents", "arn:aws:events:us-east-1:3333333333??:event-bus/default"
    ),
    "a queue in production": allow("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{PROD}:orders"),
}
WITHIN = {
    "a role of its own account": allow("sts:AssumeRole", role(DEV, "reports")),
    "a role of an account that nobody delivers to": allow("sts:AssumeRole", role("555555555555", "reports")),
    "a role of its account by Fn::Sub": allow("sts:AssumeRole", OWN),
    "a role of its account by Fn::Join": allow(
        "sts:AssumeRole", {"Fn::Join": ["", ["arn:aws:iam::", {"Ref": "AWS::AccountId"}, ":role/reports"]]}
    ),
    "a table of its own": allow("dynamodb:*", f"arn:aws:dynamodb:us-east-1:{DEV}:table/orders"),
    "any table": allow("dynamodb:PutItem"),
    "a queue of any account": allow("sqs:SendMessage", "arn:aws:sqs:*:*:orders"),
    "a queue in an account by other digits": allow("sqs:SendMessage", "arn:aws:sqs:*:5555*:orders"),
    "its image": allow(["ecr:BatchGetImage"], f"arn:aws:ecr:us-east-1:{TOOLS}:repository/nova/carts-service"),
    "a bucket": allow("s3:PutObject", "arn:aws:s3:::reports/*"),
    "what is said of a stack": allow("cloudformation:DescribeStacks", f"arn:aws:cloudformation:*:{PROD}:stack/x/*"),
}


@pytest.mark.parametrize("document", BEYOND.values(), ids=BEYOND.keys())
def test_a_task_before_the_approval_reaches_nothing_behind_it(document: dict[str, Any]) -> None:
    [found] = details(with_task(document), DEV, "Dev")
    assert found.startswith("Task may ")
    assert found.endswith(": behind the approval")
    assert details(with_task(document), PROD, "Prod") == []


@pytest.mark.parametrize("document", WITHIN.values(), ids=WITHIN.keys())
def test_a_task_may_use_what_is_of_its_own_environment(document: dict[str, Any]) -> None:
    assert details(with_task(document), DEV, "Dev") == []


def test_where_the_own_account_is_not_known_it_says_so() -> None:
    loaded = Loaded(with_task(allow("sts:AssumeRole", OWN))["Resources"], None, PROMOTION.beyond("Dev"))
    [found] = [finding.detail for finding in production_out_of_reach(loaded)]
    assert found.endswith(": may be behind the approval, as the stack's own account is not known: give it in env")


def test_what_is_denied_again_reaches_nothing() -> None:
    denied = {"Statement": {"Effect": "Deny", "Action": "sts:*", "Resource": role(PROD, "*")}}
    assert details(with_task(allow("sts:AssumeRole", role(PROD, "x")), denied), DEV, "Dev") == []


def test_an_environment_that_waits_for_an_approval_still_comes_before_the_next_one() -> None:
    document = allow("sts:AssumeRole", role(PROD, "x"))
    assert details(with_task(document), STAGING, "Staging") == [
        f"Task may sts:AssumeRole on {role(PROD, 'x')}: behind the approval"
    ]


@pytest.mark.parametrize(
    "action",
    [
        "codepipeline:PutApprovalResult",
        "codebuild:StartBuild",
        "codestar-connections:UseConnection",
        "ecr:PutImage",
        "*",
    ],
)
def test_a_task_in_the_toolchains_account_does_not_deliver(action: str) -> None:
    found = details(with_task(allow(action)), TOOLS, "Dev")
    assert found
    assert all(each.endswith(("what delivers, or an image", "behind the approval")) for each in found)
    assert details(with_task(allow(["codepipeline:GetPipelineState", "ecr:BatchGetImage"])), TOOLS, "Dev") == []
    people = {"AWS": f"arn:aws:iam::{TOOLS}:root"}
    for others in (trusted_by(with_task(allow(action)), "lambda"), trusting(with_task(allow(action)), people)):
        assert details(others, TOOLS, "Dev") == [each for each in found if "behind" in each]


def trusted_by(template: Template, service: str) -> Template:
    return trusting(template, {"Service": f"{service}.amazonaws.com"})


def trusting(template: Template, principal: dict[str, str]) -> Template:
    trust = allow("sts:AssumeRole", Principal=principal)
    template["Resources"]["Task"]["Properties"]["AssumeRolePolicyDocument"] = trust
    return template


def test_what_only_a_service_of_aws_does_is_nobodys_code() -> None:
    """ECS itself moves traffic by such a role, which has a policy of AWS's own."""
    template = with_task()
    template["Resources"]["Task"]["Properties"]["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/AdministratorAccess"]
    assert details(template, DEV, "Dev")
    assert details(trusted_by(template, "lambda"), DEV, "Dev")
    assert details(trusted_by(template, "ecs"), DEV, "Dev") == []
    bus = f"arn:aws:events:us-east-1:{PROD}:event-bus/orders"
    assert details(trusted_by(with_task(allow("events:PutEvents", bus)), "events"), DEV, "Dev") == []
    somebody = allow("sts:AssumeRole", Principal={"AWS": f"arn:aws:iam::{DEV}:root"})
    template["Resources"]["Task"]["Properties"]["AssumeRolePolicyDocument"] = somebody
    assert details(template, DEV, "Dev")


LET_IN = {
    "the account": {"AWS": DEV},
    "its root": {"AWS": f"arn:aws:iam::{DEV}:root"},
    "a role": {"AWS": [role(PROD, "x"), role(DEV, "nova-dev-release")]},
}


@pytest.mark.parametrize("principal", LET_IN.values(), ids=LET_IN.keys())
def test_an_environment_behind_the_approval_lets_no_earlier_account_in(principal: dict[str, Any]) -> None:
    trusted: Template = {"Resources": {}}
    put(trusted, "Role", "AWS::IAM::Role", AssumeRolePolicyDocument=allow("sts:AssumeRole", Principal=principal))
    queue: Template = {"Resources": {}}
    put(queue, "Policy", "AWS::SQS::QueuePolicy", PolicyDocument=allow("sqs:SendMessage", Principal=principal))
    for template in (trusted, queue):
        [found] = details(template, PROD, "Prod")
        assert DEV in found
        assert found.endswith(": its environment comes before the approval")
        assert details(template, DEV, "Dev") == []


def where(operator: str, key: str, *values: Any) -> dict[str, Any]:
    return {"Condition": {operator: {key: list(values)}}}


EVERYBODY: dict[str, dict[str, Any]] = {
    "without a condition": {},
    "of the earlier account": where("StringEquals", "aws:PrincipalAccount", PROD, DEV),
    "of any account": where("StringLike", "aws:PrincipalAccount", "*"),
    "of an account that only CloudFormation knows": where("StringEquals", "aws:PrincipalAccount", {"Ref": "Account"}),
    "who is a role of the earlier account": where("ArnLike", "aws:PrincipalArn", role(DEV, "nova-*")),
    "who is a role of any account": where("ArnLike", "aws:PrincipalArn", role("*", "nova-dev-x")),
    "for a topic of the earlier account": where("ArnEquals", "aws:SourceArn", f"arn:aws:sns:us-east-1:{DEV}:x"),
    "for any bucket": where("ArnLike", "aws:SourceArn", "arn:aws:s3:::*"),
    "for any topic": where("ArnLike", "aws:SourceArn", "arn:aws:sns:*:*:shop"),
    "for any resource": where("ArnLike", "aws:SourceArn", "arn:aws:*"),
    "of the organization": where("StringEquals", "aws:PrincipalOrgID", "o-1234567890"),
    "of another account, if it says so": where("StringEqualsIfExists", "aws:SourceAccount", PROD),
    "of every other account": where("StringNotEquals", "aws:PrincipalAccount", PROD),
    "with a tag": where("StringEquals", "aws:PrincipalTag/team", "shop"),
    "from some addresses": where("IpAddress", "aws:SourceIp", "192.0.2.0/24"),
}
OTHERS: dict[str, dict[str, Any]] = {
    "of its own account": where("StringEquals", "aws:PrincipalAccount", {"Ref": "AWS::AccountId"}),
    "of another account": where("StringEquals", "AWS:PrincipalAccount", PROD, TOOLS),
    "who is a role of its own account": where("ArnLike", "aws:PrincipalArn", role(PROD, "*")),
    "for its own topic": where("ArnEquals", "aws:SourceArn", f"arn:aws:sns:us-east-1:{PROD}:x"),
    "for a topic of the template": where("ArnEquals", "aws:SourceArn", {"Ref": "Policy"}),
    "for a bucket": where("ArnLike", "aws:SourceArn", "arn:aws:s3:::uploads/*"),
    "by the key's own account": where("StringEquals", "kms:CallerAccount", PROD),
    "who owns the topic": where("StringEquals", "AWS:SourceOwner", PROD),
    "through an endpoint": where("StringEquals", "aws:SourceVpce", "vpce-0123456789abcdef0"),
    "who mounts a file system": where("Bool", "elasticfilesystem:AccessedViaMountTarget", "true"),
    "what no ARN looks like": where("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{DEV}"),
    "who is a service of AWS's": where("Bool", "aws:PrincipalIsAWSService", "true"),
}


def of_everybody(principal: Any, more: dict[str, Any], *, effect: str = "Allow") -> Template:
    template: Template = {"Resources": {}}
    document = allow("sqs:SendMessage", Principal=principal, **more)
    document["Statement"][0]["Effect"] = effect
    put(template, "Policy", "AWS::SQS::QueuePolicy", PolicyDocument=document)
    return template


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": [PROD, "*"]}], ids=str)
@pytest.mark.parametrize("more", EVERYBODY.values(), ids=EVERYBODY.keys())
def test_everybody_is_an_earlier_account_too(principal: Any, more: dict[str, Any]) -> None:
    [found] = details(of_everybody(principal, more), PROD, "Prod")
    assert found.startswith(f"anybody, and so {DEV}")
    assert " may sqs:SendMessage: its environment comes before the approval" in found
    assert details(of_everybody(principal, more, effect="Deny"), PROD, "Prod") == []


@pytest.mark.parametrize("more", OTHERS.values(), ids=OTHERS.keys())
def test_everybody_under_a_condition_of_others_is_no_earlier_account(more: dict[str, Any]) -> None:
    assert details(of_everybody({"AWS": "*"}, more), PROD, "Prod") == []


@pytest.mark.parametrize(
    ("source", "is_way"),
    [
        (f"arn:aws:sns:us-east-1:{DEV}:x", True),
        ("arn:aws:sns:us-east-1:*:x", True),
        ("arn:aws:sns:us-east-1:1111*:x", True),
        ("arn:aws:s3:::*", True),
        (f"arn:aws:sns:us-east-1:{PROD}:x", False),
        ("arn:aws:s3:::uploads", False),
        ({"Fn::ImportValue": "topic-of-the-shop"}, False),
    ],
    ids=str,
)
def test_a_service_that_asks_for_an_earlier_account_is_not_let_in(source: Any, is_way: bool) -> None:
    topic = where("ArnLike", "aws:SourceArn", source)
    said = details(of_everybody({"Service": "sns.amazonaws.com"}, topic), PROD, "Prod")
    assert [each.partition(": ")[0] for each in said] == (
        [f"a service of AWS's for {source} may sqs:SendMessage"] if is_way else []
    )
    topic["Condition"]["StringEquals"] = {"aws:SourceAccount": PROD}
    assert details(of_everybody({"Service": "sns.amazonaws.com"}, topic), PROD, "Prod") == []


def test_of_two_conditions_one_is_enough_to_keep_an_earlier_account_out() -> None:
    both = {"ArnLike": {"aws:PrincipalArn": role("*", "x")}, "StringEquals": {"aws:PrincipalAccount": PROD}}
    assert details(of_everybody("*", {"Condition": both}), PROD, "Prod") == []


def test_what_is_for_users_and_what_limits_an_endpoint_lets_no_account_in() -> None:
    template: Template = {"Resources": {}}
    put(template, "Endpoint", "AWS::EC2::VPCEndpoint", PolicyDocument=allow("*", Principal="*"))
    put(template, "Api", "AWS::ApiGateway::RestApi", Policy=allow("execute-api:Invoke", Principal="*"))
    public: dict[str, Any] = {"FunctionName": "x", "Principal": "*"}
    put(template, "Url", "AWS::Lambda::Permission", Action="lambda:InvokeFunctionUrl", **public)
    put(template, "By", "AWS::Lambda::Permission", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True, **public)
    put(
        template,
        "Service",
        "AWS::SQS::QueuePolicy",
        PolicyDocument=allow("*", Principal={"Service": "sns.amazonaws.com"}),
    )
    assert details(template, PROD, "Prod") == []
    put(template, "Open", "AWS::Lambda::Permission", Action="lambda:InvokeFunction", **public)
    assert len(details(template, PROD, "Prod")) == 1


IN_A_NETWORK = {"VPCOptions": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}
DOMAIN = f"arn:aws:es:us-east-1:{PROD}:domain/shop"


@pytest.mark.parametrize("kind", ["AWS::OpenSearchService::Domain", "AWS::Elasticsearch::Domain"])
@pytest.mark.parametrize(
    ("action", "resource", "network", "is_found"),
    [
        ("es:*", f"{DOMAIN}/*", IN_A_NETWORK, False),
        ("es:ESHttpGet", "*", IN_A_NETWORK, False),
        (["es:ESHttpPut", "es:UpdateDomainConfig"], "*", IN_A_NETWORK, True),
        ("es:*", [f"{DOMAIN}/*", DOMAIN], IN_A_NETWORK, True),
        ("es:*", f"{DOMAIN}/*", {}, True),
        ("es:*", f"{DOMAIN}/*", {"VPCOptions": {"Fn::If": ["Private", {}, {}]}}, True),
    ],
)
def test_whoever_searches_in_a_network_has_to_be_in_it(
    kind: str, action: Any, resource: Any, network: dict[str, Any], is_found: bool
) -> None:
    template: Template = {"Resources": {}}
    put(template, "Domain", kind, AccessPolicies=allow(action, resource, Principal={"AWS": "*"}), **network)
    assert bool(details(template, PROD, "Prod")) == is_found


def test_it_may_let_in_whoever_delivers_and_those_who_only_look() -> None:
    template: Template = {"Resources": {}}
    trust = allow("sts:AssumeRole", Principal={"AWS": f"arn:aws:iam::{TOOLS}:root"})
    put(template, "Role", "AWS::IAM::Role", AssumeRolePolicyDocument=trust)
    looking = allow("sqs:GetQueueAttributes", Principal={"AWS": DEV})
    put(template, "Policy", "AWS::SQS::QueuePolicy", PolicyDocument=looking)
    assert details(template, PROD, "Prod") == []


def test_what_is_beyond_an_approval_and_what_comes_before_it() -> None:
    assert PROMOTION.beyond("Dev") == {STAGING, PROD, TOOLS}
    assert PROMOTION.beyond("Staging") == {PROD, TOOLS}
    assert PROMOTION.beyond("Prod") == PROMOTION.beyond("NovaPipelineStack") == frozenset()
    assert PROMOTION.before("Dev") == frozenset()
    assert PROMOTION.before("Staging") == PROMOTION.before("NovaPipelineStack") == {DEV}
    assert PROMOTION.before("Prod") == {DEV, STAGING}
    shared = Promotion(DEV, (("Dev", DEV, False), ("Prod", PROD, True)))
    assert shared.before("Prod") == frozenset()
    assert Promotion(TOOLS, (("Dev", DEV, False), ("Prod", PROD, False))).beyond("Dev") == frozenset()
