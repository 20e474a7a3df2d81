import pytest

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.vocabulary import check_properties, check_template


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
