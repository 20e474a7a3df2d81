"""ElastiCache and OpenSearch: numbers of nodes and zones that do not fit, switches that need one another.

https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html,
https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-multiaz.html,
https://docs.aws.amazon.com/opensearch-service/latest/APIReference/API_ClusterConfig.html (dedicated masters),
https://docs.aws.amazon.com/opensearch-service/latest/developerguide/fgac.html.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.certain import is_function, is_off, is_on, number, table
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Fault, Step

_FAILOVER = "AutomaticFailoverEnabled"


def refused_clusters(step: Step) -> Iterator[Refusal]:
    """Refuse caches and search domains whose parts do not fit together."""
    yield from step.judged_by({"AWS::ElastiCache::ReplicationGroup": _cache, "AWS::OpenSearchService::Domain": _domain})


def _cache(properties: Mapping[str, Any]) -> Iterator[Fault]:
    fails_over, zones = (is_on(properties.get(key)) for key in (_FAILOVER, "MultiAZEnabled"))
    if zones and _is_off(properties.get(_FAILOVER)):
        yield "MultiAZEnabled", f"is on, and {_FAILOVER} is not", f"set {_FAILOVER}, or leave it out"
    nodes, replicas = (number(properties.get(key)) for key in ("NumCacheClusters", "ReplicasPerNodeGroup"))
    if fails_over and nodes is not None and nodes < 2:
        yield "NumCacheClusters", f"is {nodes:g}, and automatic failover needs a second node", "make it 2 at least"
    elif fails_over and zones and nodes is None and replicas == 0:
        yield "ReplicasPerNodeGroup", "is 0, and there is no other zone to fail over to", "make it 1 at least"


def _domain(properties: Mapping[str, Any]) -> Iterator[Fault]:
    cluster = table(properties.get("ClusterConfig"))
    nodes = number(cluster.get("InstanceCount", 1))
    zones = number(table(cluster.get("ZoneAwarenessConfig")).get("AvailabilityZoneCount", 2))
    where = "ClusterConfig.InstanceCount"
    if is_on(cluster.get("ZoneAwarenessEnabled")) and nodes is not None and zones is not None:
        if nodes < zones:
            yield where, f"is {nodes:g}, for {zones:g} zones", "have a node in each zone at least"
        elif zones == 2 and nodes % 2:
            yield where, f"is {nodes:g}, an odd number for two zones", "make it even"
    masters = number(cluster.get("DedicatedMasterCount"))
    if is_on(cluster.get("DedicatedMasterEnabled")) and masters is not None and (masters < 3 or masters == 4):
        yield "ClusterConfig.DedicatedMasterCount", f"is {masters:g}", "make it 3 or 5"
    if not is_on(table(properties.get("AdvancedSecurityOptions")).get("Enabled")):
        return
    for name, key in (
        ("EncryptionAtRestOptions", "Enabled"),
        ("NodeToNodeEncryptionOptions", "Enabled"),
        ("DomainEndpointOptions", "EnforceHTTPS"),
    ):
        if not is_function(properties.get(name)) and _is_off(table(properties.get(name)).get(key)):
            yield f"{name}.{key}", "is off, and fine-grained access control needs it", "switch it on"


def _is_off(value: Any) -> bool:
    return value is None or is_off(value)
