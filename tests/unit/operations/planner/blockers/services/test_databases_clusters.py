"""Caches and search domains whose numbers of nodes, zones and switches do not fit together."""

from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.operations.planner import StackKey, StackTemplate, plan

FAILS_OVER = {"AutomaticFailoverEnabled": True}
SECURE = {
    "AdvancedSecurityOptions": {"Enabled": True},
    "EncryptionAtRestOptions": {"Enabled": True},
    "NodeToNodeEncryptionOptions": {"Enabled": "true"},
}


def zones(nodes: Any, count: int | None = None, **others: Any) -> dict[str, Any]:
    spread = {} if count is None else {"ZoneAwarenessConfig": {"AvailabilityZoneCount": count}}
    return {"ClusterConfig": {"InstanceCount": nodes, "ZoneAwarenessEnabled": True, **spread, **others}}


CASES = [
    ("ElastiCache::ReplicationGroup", {**FAILS_OVER, "NumCacheClusters": 1}, "NumCacheClusters"),
    ("ElastiCache::ReplicationGroup", {**FAILS_OVER, "NumCacheClusters": 2}, ""),
    ("ElastiCache::ReplicationGroup", {"NumCacheClusters": 1}, ""),
    ("ElastiCache::ReplicationGroup", {"NumCacheClusters": 2, "MultiAZEnabled": True}, "MultiAZEnabled"),
    (
        "ElastiCache::ReplicationGroup",
        {**FAILS_OVER, "MultiAZEnabled": True, "NumNodeGroups": 2, "ReplicasPerNodeGroup": 0},
        "ReplicasPerNodeGroup",
    ),
    ("ElastiCache::ReplicationGroup", {**FAILS_OVER, "NumNodeGroups": 2, "ReplicasPerNodeGroup": 0}, ""),
    ("OpenSearchService::Domain", zones(2, 3), "ClusterConfig.InstanceCount"),
    ("OpenSearchService::Domain", zones(3), "ClusterConfig.InstanceCount"),
    ("OpenSearchService::Domain", zones(4), ""),
    ("OpenSearchService::Domain", zones({"Ref": "AWS::AccountId"}, 3), ""),
    ("OpenSearchService::Domain", {"ClusterConfig": {"InstanceCount": 3}}, ""),
    *(
        (
            "OpenSearchService::Domain",
            zones(3, 3, DedicatedMasterEnabled=True, DedicatedMasterCount=count),
            "ClusterConfig.DedicatedMasterCount" if count in (1, 2, 4) else "",
        )
        for count in (1, 2, 3, 4, 5, 7)
    ),
    ("OpenSearchService::Domain", SECURE, "DomainEndpointOptions.EnforceHTTPS"),
    ("OpenSearchService::Domain", {**SECURE, "DomainEndpointOptions": {"EnforceHTTPS": True}}, ""),
    ("OpenSearchService::Domain", {**SECURE, "DomainEndpointOptions": {"Fn::If": ["Strict", {}, {}]}}, ""),
]


@pytest.mark.parametrize(("kind", "properties", "where"), one_of_each(CASES, lambda case: case[0]))
def test_parts_that_do_not_fit_together_are_refused(kind: str, properties: dict[str, Any], where: str) -> None:
    resources = {"It": {"Type": f"AWS::{kind}", "Properties": properties}}
    stack = StackTemplate(StackKey("210987654321", "eu-north-1", "carts"), {"Resources": resources})
    found = [each.where for each in plan([], [[stack]]).refusals]
    assert found == ([f"It.{where}"] if where else [])
