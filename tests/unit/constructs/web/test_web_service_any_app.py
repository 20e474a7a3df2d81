"""A web service in somebody else's app: with whatever network, cluster, load balancer and container they have."""

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk.assertions import Template

from nova_infra.config import Rollout, Service
from nova_infra.constructs.settings import ServiceSettings
from nova_infra.constructs.tasks.task import FargateTask
from nova_infra.constructs.web.web_service import WebService

BALANCER = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:loadbalancer/app/theirs/0123456789abcdef"
IMAGE = ecs.ContainerImage.from_registry("public.ecr.aws/acme/shop:1.4.2")


def stack() -> cdk.Stack:
    return cdk.Stack(cdk.App(), "Acme", env=cdk.Environment(account="111111111111", region="eu-west-1"))


def theirs(scope: cdk.Stack, *, private: bool = True) -> dict[str, Any]:
    """What an app imports that makes none of it itself."""
    subnets: dict[str, Any] = {"private_subnet_ids": ["subnet-a", "subnet-b"]} if private else {}
    vpc = ec2.Vpc.from_vpc_attributes(
        scope,
        "Vpc",
        vpc_id="vpc-1",
        availability_zones=["eu-west-1a", "eu-west-1b"],
        public_subnet_ids=["subnet-c", "subnet-d"],
        **subnets,
    )
    group = ec2.SecurityGroup.from_security_group_id(scope, "Group", "sg-123")
    return {
        "cluster": ecs.Cluster.from_cluster_attributes(scope, "Cluster", cluster_name="theirs", vpc=vpc),
        "listener": elbv2.ApplicationListener.from_application_listener_attributes(
            scope,
            "Listener",
            listener_arn=BALANCER.replace("loadbalancer", "listener") + "/1",
            security_group=group,
        ),
        "load_balancer": elbv2.ApplicationLoadBalancer.from_application_load_balancer_attributes(
            scope, "Balancer", load_balancer_arn=BALANCER, security_group_id="sg-123"
        ),
    }


def one(template: Template, resource_type: str) -> dict[str, Any]:
    [resource] = template.find_resources(resource_type).values()
    return dict(resource["Properties"])


def test_everything_around_it_may_be_imported() -> None:
    scope = stack()
    WebService(scope, "Shop", **theirs(scope), image=IMAGE, port=8080)
    template = Template.from_stack(scope)
    service = one(template, "AWS::ECS::Service")
    network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert (service["Cluster"], network["Subnets"], network["AssignPublicIp"]) == (
        "theirs",
        ["subnet-a", "subnet-b"],
        "DISABLED",
    )
    inward = one(template, "AWS::EC2::SecurityGroupIngress")
    assert (inward["SourceSecurityGroupId"], inward["FromPort"]) == ("sg-123", 8080)
    alarms = template.find_resources("AWS::CloudWatch::Alarm")
    [errors] = [a["Properties"] for a in alarms.values() if a["Properties"]["AlarmName"] == "Acme-shop-errors"]
    of_metrics = [m["MetricStat"]["Metric"]["Dimensions"] for m in errors["Metrics"] if "MetricStat" in m]
    named = {each["Value"] for dimensions in of_metrics for each in dimensions if each["Name"] == "LoadBalancer"}
    assert named == {"app/theirs/0123456789abcdef"}


@pytest.mark.parametrize("port", [None, 8080])
def test_a_task_of_ours_is_reached_at_its_own_port(port: int | None) -> None:
    scope = stack()
    shop = ServiceSettings(service=Service(name="shop", port=8080))
    task = FargateTask(scope, "Task", name="shop", image=IMAGE, service=shop.service, runtime=shop.runtime)
    # The settings say another port than the task, which knows better.
    WebService(scope, "Shop", **theirs(scope), image=task, port=port)
    template = Template.from_stack(scope)
    [balanced] = one(template, "AWS::ECS::Service")["LoadBalancers"]
    assert (balanced["ContainerName"], balanced["ContainerPort"]) == ("app", 8080)
    assert one(template, "AWS::EC2::SecurityGroupIngress")["FromPort"] == 8080
    template.resource_count_is("AWS::ECS::TaskDefinition", 1)


def test_a_task_of_ours_without_that_port_is_refused() -> None:
    scope = stack()
    shop = ServiceSettings(service=Service(name="shop", port=8080))
    task = FargateTask(scope, "Task", name="shop", image=IMAGE, service=shop.service, runtime=shop.runtime)
    with pytest.raises(ValueError, match="does not map port 9090"):
        WebService(scope, "Shop", **theirs(scope), image=task, port=9090)


@pytest.mark.exhaustive("test_everything_around_it_may_be_imported")
def test_two_services_in_two_groups_of_subnets_each_get_the_addresses_that_theirs_need() -> None:
    scope = stack()
    around = theirs(scope)
    for number, group in enumerate(("Public", "Private", "Public")):
        WebService(
            scope,
            f"Shop{number}",
            **around,
            image=IMAGE,
            port=8080,
            settings=ServiceSettings(service=Service(name=f"shop-{number}", priority=10 * number + 10)),
            subnets=ec2.SubnetSelection(subnet_group_name=group),
        )
    services = Template.from_stack(scope).find_resources("AWS::ECS::Service").values()
    asked = [each["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] for each in services]
    assert asked == ["ENABLED", "DISABLED", "ENABLED"]


@pytest.mark.parametrize("imported", [True, False])
def test_a_cluster_of_the_app_gets_the_capacity_providers_before_the_service_runs_on_them(imported: bool) -> None:
    made = stack()
    around = theirs(made)
    if not imported:
        around["cluster"] = ecs.Cluster(made, "Own", vpc=around["cluster"].vpc)
    WebService(made, "Shop", **around, image=IMAGE, port=8080)
    template = Template.from_stack(made)
    kind = "AWS::ECS::ClusterCapacityProviderAssociations"
    providers = template.find_resources(kind)
    [service] = template.find_resources("AWS::ECS::Service").values()
    assert len(providers) == (not imported)
    assert set(providers) <= set(service["DependsOn"])
    assert service["Properties"].get("LaunchType") == ("FARGATE" if imported else None)


def test_tasks_in_public_subnets_have_the_address_without_which_they_reach_no_registry() -> None:
    scope = stack()
    WebService(scope, "Shop", **theirs(scope, private=False), image=IMAGE, port=8080)
    network = one(Template.from_stack(scope), "AWS::ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert (network["Subnets"], network["AssignPublicIp"]) == (["subnet-c", "subnet-d"], "ENABLED")


@pytest.mark.exhaustive("test_everything_around_it_may_be_imported")
def test_two_services_share_a_stack_and_a_listener() -> None:
    scope = stack()
    shared = theirs(scope)
    api = ServiceSettings(service=Service(name="api", paths=["/v1/*"], priority=7))  # type: ignore[arg-type]
    WebService(scope, "Shop", **shared, image=IMAGE, port=8080)
    WebService(scope, "Api", **shared, image=IMAGE, settings=api)
    template = Template.from_stack(scope)
    services = template.find_resources("AWS::ECS::Service").values()
    assert {each["Properties"]["ServiceName"] for each in services} == {"Acme-shop", "Acme-api"}
    assert len(template.find_resources("AWS::Logs::LogGroup")) == 2
    rules = template.find_resources("AWS::ElasticLoadBalancingV2::ListenerRule").values()
    paths = {each["Properties"]["Conditions"][0]["PathPatternConfig"]["Values"][0] for each in rules}
    assert paths == {"/shop/*", "/v1/*"}
    assert len({each["Properties"]["Priority"] for each in rules}) == 2


def test_a_container_of_any_name_takes_the_requests() -> None:
    scope = stack()
    definition = ecs.FargateTaskDefinition(scope, "Task")
    definition.add_container("front", image=IMAGE, port_mappings=[ecs.PortMapping(container_port=3000)])
    WebService(scope, "Shop", **theirs(scope), image=definition)
    [balanced] = one(Template.from_stack(scope), "AWS::ECS::Service")["LoadBalancers"]
    assert (balanced["ContainerName"], balanced["ContainerPort"]) == ("front", 3000)


def without_port(scope: cdk.Stack) -> None:
    definition = ecs.FargateTaskDefinition(scope, "Task")
    definition.add_container("front", image=IMAGE)
    WebService(scope, "Shop", **theirs(scope), image=definition)


def another_port(scope: cdk.Stack) -> None:
    definition = ecs.FargateTaskDefinition(scope, "Task")
    definition.add_container("front", image=IMAGE, port_mappings=[ecs.PortMapping(container_port=3000)])
    WebService(scope, "Shop", **theirs(scope), image=definition, port=8080)


def without_container(scope: cdk.Stack) -> None:
    WebService(scope, "Shop", **theirs(scope), image=ecs.FargateTaskDefinition(scope, "Task"))


def without_load_balancer(scope: cdk.Stack) -> None:
    WebService(scope, "Shop", **{**theirs(scope), "load_balancer": None}, image=IMAGE, port=8080)


def with_no_port_that_there_is(scope: cdk.Stack) -> None:
    WebService(scope, "Shop", **theirs(scope), image=IMAGE, port=65536)


def with_port_zero(scope: cdk.Stack) -> None:
    WebService(scope, "Shop", **theirs(scope), image=IMAGE, port=0)


def behind_a_network_load_balancer(scope: cdk.Stack) -> None:
    given = theirs(scope)
    vpc = given["cluster"].vpc
    groups = [elbv2.NetworkTargetGroup(scope, "Targets", vpc=vpc, port=80)]
    balancer = elbv2.NetworkLoadBalancer(scope, "Network", vpc=vpc)
    listener = balancer.add_listener("Tcp", port=80, default_target_groups=groups)
    WebService(scope, "Shop", cluster=given["cluster"], listener=listener, image=IMAGE, port=8080)  # type: ignore[arg-type]  # one of several kinds of stack


def with_a_long_id(scope: cdk.Stack) -> None:
    WebService(scope, "Shop" * 11, **theirs(scope), image=IMAGE, port=8080)


def without_a_name(scope: cdk.Stack) -> None:
    WebService(scope, "9", **theirs(scope), image=IMAGE, port=8080)


def own(scope: cdk.Stack) -> dict[str, Any]:
    """What an app creates itself."""
    vpc = ec2.Vpc(scope, "Own", max_azs=2)
    balancer = elbv2.ApplicationLoadBalancer(scope, "Front", vpc=vpc)
    listener = balancer.add_listener("Http", port=80, default_action=elbv2.ListenerAction.fixed_response(404))
    return {"cluster": ecs.Cluster(scope, "OwnCluster", vpc=vpc), "listener": listener}


def in_another_vpc(scope: cdk.Stack) -> None:
    another = ecs.Cluster(scope, "Far", vpc=ec2.Vpc(scope, "Else", max_azs=2))
    WebService(scope, "Shop", cluster=another, listener=own(scope)["listener"], image=IMAGE, port=8080)


def in_another_imported_vpc(scope: cdk.Stack) -> None:
    given = theirs(scope)
    vpc = ec2.Vpc.from_vpc_attributes(scope, "Else", vpc_id="vpc-2", availability_zones=["eu-west-1a"])
    given["load_balancer"] = elbv2.ApplicationLoadBalancer.from_application_load_balancer_attributes(
        scope, "Far", load_balancer_arn=BALANCER, security_group_id="sg-123", vpc=vpc
    )
    WebService(scope, "Shop", **given, image=IMAGE, port=8080)


def in_subnets_of_another_vpc(scope: cdk.Stack) -> None:
    subnets = ec2.SubnetSelection(subnets=ec2.Vpc(scope, "Else", max_azs=2).private_subnets)
    WebService(scope, "Shop", **own(scope), image=IMAGE, port=8080, subnets=subnets)


def on_instances(scope: cdk.Stack) -> None:
    definition = ecs.Ec2TaskDefinition(scope, "Task")
    WebService(scope, "Shop", **theirs(scope), image=definition)


def for_a_worker(scope: cdk.Stack) -> None:
    settings = ServiceSettings(service=Service(name="mailer", kind="worker"))
    WebService(scope, "Shop", **theirs(scope), image=IMAGE, port=8080, settings=settings)


def with_a_port_in_quotes(scope: cdk.Stack) -> None:
    WebService(scope, "Shop", **theirs(scope), image=IMAGE, port="8080")  # type: ignore[arg-type]  # refused, which is the test


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (in_another_vpc, r"^Acme/Shop: the cluster is in Acme/Else and the load balancer in Acme/Own: pass"),
        (in_another_imported_vpc, r"^Acme/Shop: the cluster is in Acme/Vpc and the load balancer in Acme/Else: pass"),
        (in_subnets_of_another_vpc, r"^Acme/Else/PrivateSubnet1: is not in Acme/Own, the cluster's VPC: pass"),
        (on_instances, r"^Acme/Shop: the task definition is not for Fargate: pass"),
        (for_a_worker, r'^Acme/Shop: settings are for a service of kind worker: pass .*kind="web"'),
        (with_a_port_in_quotes, r"^Acme/Shop: '8080' is not a port: pass one"),
        (without_port, r"^Acme/Shop: container front does not map any port: add ecs\.PortMapping"),
        (another_port, r"^Acme/Shop: container front does not map port 8080: add ecs\.PortMapping"),
        (without_container, r"^Acme/Shop: the task definition has no container: add one"),
        (without_load_balancer, r"^Acme/Listener: an imported listener does not know its load balancer: pass"),
        (with_no_port_that_there_is, r"^Acme/Shop: 65536 is not a port: pass one from 1 to 65535"),
        (with_port_zero, r"^Acme/Shop: 0 is not a port"),
        (behind_a_network_load_balancer, r"^Acme/Network/Tcp: is a network load balancer's: pass an application"),
        (with_a_long_id, r"choose an id of at most 40 letters and digits"),
        (without_a_name, r"^Acme/9: no service's name can be made of the id '9': choose an id"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(build: Callable[[cdk.Stack], None], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build(stack())


def test_an_import_of_the_apps_own_network_is_not_taken_for_another_one() -> None:
    scope = stack()
    around = own(scope)
    around["cluster"] = theirs(scope)["cluster"]
    WebService(scope, "Shop", **around, image=IMAGE, port=8080)
    assert one(Template.from_stack(scope), "AWS::ECS::Service")["Cluster"] == "theirs"


def test_a_port_may_be_a_parameter() -> None:
    scope = stack()
    parameter = cdk.CfnParameter(scope, "Port", type="Number", default=8080)
    WebService(scope, "Shop", **theirs(scope), image=IMAGE, port=parameter.value_as_number)  # type: ignore[arg-type]  # CDK's numbers are floats
    [balanced] = one(Template.from_stack(scope), "AWS::ECS::Service")["LoadBalancers"]
    assert balanced["ContainerPort"] == {"Ref": "Port"}


@pytest.mark.parametrize("image", ["acme/shop:1.4.2", None])
def test_what_is_no_image_is_refused_by_its_type(image: Any) -> None:
    scope = stack()
    said = rf"^Acme/Shop: image is of type {type(image).__name__}: pass ecs\.ContainerImage\.from_registry"
    with pytest.raises(TypeError, match=said):
        WebService(scope, "Shop", **theirs(scope), image=image, port=8080)


def test_settings_that_only_look_like_some_are_refused_by_the_parameters_name() -> None:
    scope = stack()
    with pytest.raises(TypeError, match=r"^Acme/Shop: settings is of type dict: pass ServiceSettings\(…\)$"):
        WebService(scope, "Shop", **theirs(scope), image=IMAGE, settings={"port": 8080})  # type: ignore[arg-type]  # refused, which is the test
    with pytest.raises(TypeError, match=r"^ServiceSettings: service is of type dict: pass Service\(…\)$"):
        ServiceSettings(service={"name": "api"})  # type: ignore[arg-type]  # the same
    with pytest.raises(TypeError, match=r"^ServiceSettings: runtime is of type Rollout: pass Runtime\(…\)$"):
        ServiceSettings(service=Service(name="api"), runtime=Rollout())  # type: ignore[arg-type]  # the same


@pytest.mark.parametrize(("insights", "warned"), [(ecs.ContainerInsights.ENABLED, False), (None, True)])
def test_a_cluster_that_counts_no_tasks_is_warned_of(insights: ecs.ContainerInsights | None, warned: bool) -> None:
    scope = stack()
    around = theirs(scope)
    around["cluster"] = ecs.Cluster(scope, "Own", vpc=around["cluster"].vpc, container_insights_v2=insights)
    service = WebService(scope, "Shop", **around, image=IMAGE, port=8080)
    said = [each.data for each in service.node.metadata if each.type == "aws:cdk:warning"]
    assert any("has no Container Insights" in str(each) for each in said) is warned
