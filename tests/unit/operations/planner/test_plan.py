"""What CloudFormation would refuse: each case is a pair of small templates and the words that a person reads."""

from typing import Any

import pytest

from nova_infra.operations.planner import Action, Plan, StackKey, StackTemplate, plan

ACCOUNT, REGION = "210987654321", "eu-north-1"
ELB = "AWS::ElasticLoadBalancingV2"


def stack(
    name: str, *, outputs: dict[str, Any] | None = None, status: str = "UPDATE_COMPLETE", **resources: Any
) -> StackTemplate:
    template = {"Resources": resources} | ({"Outputs": outputs} if outputs else {})
    return StackTemplate(StackKey(ACCOUNT, REGION, name), template, status)


def resource(kind: str, *, properties: dict[str, Any] | None = None, **attributes: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties or {}, **attributes}


def role(name: str, path: str = "/") -> dict[str, Any]:
    return resource("AWS::IAM::Role", properties={"RoleName": name, "Path": path})


def rule(priority: int, path: str = "/carts/*") -> dict[str, Any]:
    return resource(
        f"{ELB}::ListenerRule",
        properties={
            "ListenerArn": {"Fn::ImportValue": "shop:Listener"},
            "Priority": priority,
            "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": [path]}}],
        },
    )


def service(strategy: str) -> dict[str, Any]:
    return resource(
        "AWS::ECS::Service",
        properties={
            "DeploymentConfiguration": {"Strategy": strategy},
            "LoadBalancers": [{"AdvancedConfiguration": {"ProductionListenerRule": {"Ref": "Rule"}}}],
        },
    )


def export(name: str, value: Any) -> dict[str, Any]:
    return {"Value": value, "Export": {"Name": name}}


def subnet(network: str, **more: Any) -> dict[str, Any]:
    return resource("AWS::EC2::Subnet", properties={"VpcId": {"Ref": "Vpc"}, "CidrBlock": network, **more})


PLATFORM = stack(
    "shop",
    Vpc=resource("AWS::EC2::VPC", properties={"CidrBlock": "10.0.0.0/16"}),
    Balancer=resource(f"{ELB}::LoadBalancer", properties={"Name": "shop"}),
    Listener=resource(f"{ELB}::Listener", properties={"LoadBalancerArn": {"Ref": "Balancer"}, "Port": 80}),
    outputs={
        "L": export("shop:Listener", {"Ref": "Listener"}),
        "V": export("shop:Vpc", {"Fn::GetAtt": ["Vpc", "VpcId"]}),
    },
)
CARTS, BILLS = stack("carts", Rule=rule(3)), stack("bills", Rule=rule(4, "/bills/*"))


def refused(result: Plan) -> str:
    return "\n".join(map(str, result.refusals))


def test_what_does_not_change_is_not_in_the_plan() -> None:
    assert plan([PLATFORM, CARTS], [[PLATFORM], [CARTS]]) == Plan((), ())


def test_each_resource_has_what_happens_to_it() -> None:
    before = stack(
        "shop",
        Vpc=resource("AWS::EC2::VPC", properties={"CidrBlock": "10.0.0.0/16"}),
        Part=subnet("10.0.1.0/24"),
        Topic=resource("AWS::SNS::Topic", properties={"DisplayName": "old"}),
        Gone=resource("AWS::SNS::Topic"),
        Kept=resource("AWS::S3::Bucket", DeletionPolicy="Retain"),
        Same=resource("AWS::SQS::Queue"),
    )
    after = stack(
        "shop",
        Vpc=resource("AWS::EC2::VPC", properties={"CidrBlock": "10.9.0.0/16"}),
        Part=subnet("10.0.1.0/24"),
        Topic=resource("AWS::SNS::Topic", properties={"DisplayName": "new"}),
        Same=resource("AWS::SQS::Queue"),
        More=resource("AWS::SQS::Queue"),
    )
    [planned] = plan([before], [[after]]).stacks
    assert {action.logical_id: action.action for action in planned.actions} == {
        "Vpc": Action.REPLACE,
        "Part": Action.REPLACE,
        "Topic": Action.UPDATE,
        "Gone": Action.DELETE,
        "Kept": Action.KEEP,
        "More": Action.CREATE,
    }
    assert not planned.is_new


def test_two_rules_that_swap_their_priorities_stand_in_each_others_way() -> None:
    result = plan(
        [PLATFORM, CARTS, BILLS],
        [[PLATFORM], [stack("carts", Rule=rule(4)), stack("bills", Rule=rule(3, "/bills/*"))]],
    )
    assert "carts.Rule.Priority: priority 4 belongs to bills.Rule when this is deployed" in refused(result)
    assert "bills.Rule.Priority: priority 3 belongs to carts.Rule when this is deployed" in refused(result)


def test_a_priority_that_was_freed_before_can_be_taken() -> None:
    freed = stack("bills", Rule=rule(9, "/bills/*"))
    assert plan([PLATFORM, CARTS, BILLS], [[freed], [stack("carts", Rule=rule(4))]]).refusals == []


def test_a_priority_belongs_to_a_stack_that_the_release_no_longer_has() -> None:
    result = plan([PLATFORM, BILLS], [[PLATFORM], [stack("carts", Rule=rule(4))]])
    assert "priority 4 belongs to bills.Rule" in refused(result)
    assert "bills: is no longer part of the release and stays as it is (its rule keeps priority 4)" in str(
        result.consequences[0]
    )


def test_of_two_new_resources_with_one_name_the_second_is_refused() -> None:
    result = plan([], [[stack("a", Mine=role("shop-reader")), stack("b", Mine=role("shop-reader"))]])
    assert [str(refusal).partition(":")[0] for refusal in result.refusals] == ["b.Mine.RoleName"]


def test_the_same_name_in_another_account_is_another_resource() -> None:
    other = StackTemplate(StackKey("345678901234", REGION, "b"), {"Resources": {"Mine": role("shop-reader")}})
    assert plan([stack("a", Mine=role("shop-reader"))], [[stack("a", Mine=role("shop-reader")), other]]).refusals == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"Old": role("shop-reader")}, {"New": role("shop-reader")}),
        ({"Red": role("shop-reader")}, {"Red": role("shop-reader", path="/other/")}),
    ],
    ids=["another logical id", "a replacement"],
)
def test_a_name_cannot_be_had_twice_not_even_by_its_successor(before: Any, after: Any) -> None:
    result = plan([stack("shop", **before)], [[stack("shop", **after)]])
    assert "shop-reader" in refused(result)
    assert len(result.refusals) == 1


def test_a_listener_cannot_take_the_port_of_one_that_goes_afterwards() -> None:
    secure = resource(f"{ELB}::Listener", properties={"LoadBalancerArn": {"Ref": "Balancer"}, "Port": 443})
    redirect = resource(f"{ELB}::Listener", properties={"LoadBalancerArn": {"Ref": "Balancer"}, "Port": 80})
    plain = resource(f"{ELB}::Listener", properties={"LoadBalancerArn": {"Ref": "Balancer"}, "Port": 80})
    balancer = resource(f"{ELB}::LoadBalancer", properties={"Name": "shop"})
    before = stack("shop", Balancer=balancer, Main=secure, Redirect=redirect)
    result = plan([before], [[stack("shop", Balancer=balancer, Main=plain)]])
    assert refused(result).startswith("shop.Main.Port: port 80 belongs to Redirect when this is deployed")


def test_a_network_that_others_use_cannot_be_replaced() -> None:
    user = stack(
        "carts",
        Group=resource("AWS::EC2::SecurityGroup", properties={"VpcId": {"Fn::ImportValue": "shop:Vpc"}}),
    )
    resources = {**PLATFORM.resources, "Vpc": resource("AWS::EC2::VPC", properties={"CidrBlock": "10.7.0.0/16"})}
    after = StackTemplate(PLATFORM.key, {"Resources": resources, "Outputs": PLATFORM.template["Outputs"]})
    result = plan([PLATFORM, user], [[after], [user]])
    assert refused(result).startswith(
        "shop.Vpc: would be replaced (CidrBlock cannot be changed in place), and what it exports is in use by carts"
    )
    assert plan([PLATFORM], [[after]]).refusals == [], "nobody uses it"


def test_an_export_in_use_can_neither_go_nor_change() -> None:
    gone = StackTemplate(PLATFORM.key, {"Resources": PLATFORM.resources})
    assert "the export shop:Listener is removed while carts still uses it" in refused(plan([PLATFORM, CARTS], [[gone]]))
    outputs = {**PLATFORM.template["Outputs"], "L": export("shop:Listener", {"Ref": "Vpc"})}
    changed = StackTemplate(PLATFORM.key, {"Resources": PLATFORM.resources, "Outputs": outputs})
    result = plan([PLATFORM, CARTS], [[changed]])
    assert "the export shop:Listener would change while carts uses it" in refused(result)


def test_an_import_needs_an_export_that_is_there_before() -> None:
    together, after = plan([], [[PLATFORM, CARTS]]), plan([], [[PLATFORM], [CARTS]])
    assert "carts: imports shop:Listener, which no stack exports" in refused(together)
    assert after.refusals == []


def test_new_subnets_must_not_overlap_those_that_go_afterwards() -> None:
    vpc = resource("AWS::EC2::VPC", properties={"CidrBlock": "10.0.0.0/16"})
    before = stack("shop", Vpc=vpc, A=subnet("10.0.0.0/17"), B=subnet("10.0.128.0/17"))
    overlapping = stack("shop", Vpc=vpc, A=subnet("10.0.0.0/18"), B=subnet("10.0.128.0/17"))
    assert "10.0.0.0/18 overlaps 10.0.0.0/17 of A" in refused(plan([before], [[overlapping]]))
    apart = stack("shop", Vpc=vpc, A=subnet("10.1.0.0/18"), B=subnet("10.0.128.0/17"))
    assert plan([before], [[apart]]).refusals == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("ROLLBACK_COMPLETE", "delete the stack and deploy again"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("UPDATE_IN_PROGRESS", "wait until it has ended"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None),
        ("UPDATE_ROLLBACK_COMPLETE", None),
        ("UPDATE_COMPLETE", None),
    ],
)
def test_a_stack_in_a_bad_state_is_refused_with_the_way_out(status: str, said: str | None) -> None:
    before = stack("shop", status=status, Q=resource("AWS::SQS::Queue"))
    result = plan([before], [[stack("shop", T=resource("AWS::SNS::Topic"))]])
    assert (said in refused(result)) if said else result.refusals == []


def test_a_stack_does_not_move_to_another_account() -> None:
    moved = StackTemplate(StackKey("345678901234", REGION, "shop"), PLATFORM.template)
    assert f"shop: is deployed in {ACCOUNT} {REGION} and would be created again in 345678901234" in refused(
        plan([PLATFORM], [[moved]])
    )


def task(image: str) -> dict[str, Any]:
    return resource("AWS::ECS::TaskDefinition", properties={"ContainerDefinitions": [{"Image": image}]})


def test_an_image_needs_a_repository_that_something_deploys() -> None:
    registry = stack("images", R=resource("AWS::ECR::Repository", properties={"RepositoryName": "shop/carts"}))
    image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shop/carts:12ab"
    carts = stack("carts", Task=task(image))
    assert "its image is in shop/carts, a repository of images" in refused(plan([], [[carts]], [registry]))
    assert plan([], [[registry], [carts]]).refusals == []
    assert plan([registry], [[carts]], [registry]).refusals == []
    assert plan([], [[stack("carts", Task=task("public.ecr.aws/nginx/nginx:1"))]], [registry]).refusals == []


def test_a_rule_that_ecs_steers_loses_its_weights_when_it_changes() -> None:
    def carts(strategy: str, path: str) -> StackTemplate:
        return stack("carts", Rule=rule(3, path), Service=service(strategy))

    changed = plan([PLATFORM, carts("CANARY", "/carts/*")], [[carts("CANARY", "/basket/*")]])
    told = [each for planned in changed.stacks for each in planned.consequences]
    assert [(each.where, "weights" in each.what) for each in told] == [("Rule", True), ("Rule", False)]
    for before, after in [("ROLLING", "/basket/*"), ("CANARY", "/carts/*")]:
        same = plan([PLATFORM, carts(before, "/carts/*")], [[carts(before, after)]])
        assert not [each for planned in same.stacks for each in planned.consequences if "weights" in each.what]


@pytest.mark.parametrize("name", ["carts", None])
def test_a_resource_with_a_fixed_name_that_may_be_replaced_is_reported(name: str | None) -> None:
    def runs(**capacity: Any) -> StackTemplate:
        properties = {"Cluster": "shop", **capacity, **({"ServiceName": name} if name else {})}
        return stack("carts", It=resource("AWS::ECS::Service", properties=properties))

    strategy = [{"CapacityProvider": "FARGATE", "Weight": 1}]
    result = plan([runs(LaunchType="FARGATE")], [[runs(CapacityProviderStrategy=strategy)]])
    told = [str(each) for planned in result.stacks for each in planned.consequences]
    assert ["may be replaced (a change of LaunchType" in each and "its name is fixed" in each for each in told] == (
        [True] if name else []
    )
    assert result.refusals == []


@pytest.mark.parametrize(
    ("function", "role", "right"), [("Function", "a", True), ("Other", "a", False), ("Function", "b", False)]
)
def test_a_custom_resource_stays_with_its_function(function: str, role: str, right: bool) -> None:
    def answered(by: str, named: str) -> StackTemplate:
        functions: dict[str, Any] = {
            each: resource("AWS::Lambda::Function", properties={"FunctionName": f"{each}-{named}"})
            for each in ("Function", "Other")
        }
        token = {"ServiceToken": {"Fn::GetAtt": [by, "Arn"]}, "Key": role}
        return stack("carts", Run=resource("Custom::Run", properties=token), **functions)

    result = plan([answered("Function", "a")], [[answered(function, role)]])
    assert [("Run.ServiceToken: a custom resource cannot move" in str(each)) for each in result.refusals] == [True] * (
        not right
    )


def test_a_template_has_limits() -> None:
    many: dict[str, Any] = {f"Q{number}": resource("AWS::SQS::Queue") for number in range(501)}
    assert "shop: has 501 resources, but CloudFormation allows 500" in refused(plan([], [[stack("shop", **many)]]))
    del many["Q0"]
    assert plan([], [[stack("shop", **many)]]).refusals == []
    large = stack("shop", Q=resource("AWS::SQS::Queue", Metadata={"note": "x" * 1_000_000}))
    assert "CloudFormation allows 1,000,000" in refused(plan([], [[large]]))


def test_more_addresses_than_a_new_account_has_are_reported() -> None:
    six: dict[str, Any] = {f"E{number}": resource("AWS::EC2::EIP") for number in range(6)}
    [consequence] = plan([], [[stack("shop", **six)]]).consequences
    assert "would hold 6 Elastic IP addresses, but the default quota is 5" in str(consequence)
    assert plan([stack("shop", **six)], [[stack("shop", **six, Q=resource("AWS::SQS::Queue"))]]).consequences == ()


def test_a_rule_that_is_left_behind_before_that_of_a_service_is_reported() -> None:
    renamed = stack("baskets", Rule=rule(5, "/carts/*"))
    found = [str(each) for each in plan([PLATFORM, CARTS], [[PLATFORM], [renamed]]).consequences]
    assert any("baskets: its path /carts/* goes to an earlier rule, of carts" in each for each in found)
    later = stack("baskets", Rule=rule(2, "/carts/*"))
    found = [str(each) for each in plan([PLATFORM, CARTS], [[PLATFORM], [later]]).consequences]
    assert not any("its path" in each for each in found)
