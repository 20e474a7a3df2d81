import pytest

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.vocabulary import (
    PLAYED,
    area_not_rehearsed,
    check_properties,
    check_template,
    may_not_exist,
)


def test_a_group_of_instances_beside_services_may_say_how_it_is_updated() -> None:
    group = {"Type": "AWS::AutoScaling::AutoScalingGroup", "UpdatePolicy": {"AutoScalingReplacingUpdate": {}}}
    check_template({"Resources": {"Group": group}}, "prod")


def test_any_played_resource_may_have_tags_and_a_cluster_its_settings() -> None:
    tags = {"Tags": [{"Key": "team", "Value": "shop"}]}
    settings = {"Configuration": {"ExecuteCommandConfiguration": {"Logging": "DEFAULT"}}}
    check_properties("AWS::ECS::Cluster", {**tags, **settings}, "prod.Cluster")
    check_properties("AWS::ElasticLoadBalancingV2::Listener", tags, "prod.Listener")
    with pytest.raises(UnresolvableError, match=r"prod\.Cluster\.Tag: is a property that the rehearsal does not know"):
        check_properties("AWS::ECS::Cluster", {"Tag": []}, "prod.Cluster")


@pytest.mark.parametrize(
    ("resource_type", "area"),
    [
        ("AWS::Kinesis::Stream", "Kinesis (Stream)"),
        ("Custom::Something", "custom resources"),
        ("AWS::CDK::Metadata", ""),
        ("AWS::Lambda::LayerVersion", "function layers"),
        ("AWS::IAM::Role", "IAM"),
        ("AWS::ECS::TaskSet", "services deployed by EXTERNAL"),
        ("AWS::ECS::CapacityProvider", "services on instances"),
        ("AWS::CodeDeploy::DeploymentGroup", "services deployed by CODE_DEPLOY"),
        ("AWS::CloudWatch::InsightRule", "CloudWatch (InsightRule)"),
        ("AWS::ElasticLoadBalancingV2::TrustStore", "TLS"),
        ("AWS::AppMesh::Mesh", "AppMesh (Mesh)"),
        ("Acme::Shop::Cart", "resources that AWS does not define (Acme::Shop::Cart)"),
        ("Acme::Shop::Cart::MODULE", "resources that AWS does not define (Acme::Shop::Cart::MODULE)"),
        ("AWS::ECS::Service", None),
        ("Nonsense", None),
    ],
)
def test_every_type_but_the_played_ones_is_not_rehearsed(resource_type: str, area: str | None) -> None:
    assert area_not_rehearsed(resource_type) == area


@pytest.mark.parametrize(
    ("resource_type", "perhaps"),
    [
        *((kind, False) for kind in PLAYED),
        ("AWS::CloudWatch::AnomalyDetector", False),
        ("AWS::Kinesis::Stream", False),
        ("Custom::Something", False),
        ("Acme::ECS::Thing", False),
        ("AWS::ECS::Servce", True),
        ("AWS::Lambda::Functon", True),
    ],
)
def test_only_aws_knows_an_unlisted_type_of_a_service_that_is_played(resource_type: str, perhaps: bool) -> None:
    assert may_not_exist(resource_type) is perhaps


def test_no_type_is_both_played_and_not_rehearsed() -> None:
    assert [resource_type for resource_type in PLAYED if area_not_rehearsed(resource_type)] == []
