"""Load balancers, their rules and target groups, and the names that lead to them."""

from __future__ import annotations

from typing import Any

from nova_infra.rehearsal.cloudformation.shapes import ANY, TEXT, Attributes, Each, Number, Only

_TARGETS = {"TargetGroupArn!": TEXT, "Weight": Number(0, 999)}
_ACTION = {
    "Type!": Only(("forward", "fixed-response", "redirect")),
    "TargetGroupArn": TEXT,
    "ForwardConfig": {
        "TargetGroups!": Each(_TARGETS),
        "TargetGroupStickinessConfig": {"Enabled": Only(("false",)), "DurationSeconds": ANY},
    },
    "FixedResponseConfig": {"StatusCode!": Number(200, 599), "ContentType": TEXT, "MessageBody": TEXT},
    "RedirectConfig": {
        "StatusCode!": Only(("HTTP_301", "HTTP_302")),
        "Protocol": Only(("HTTP", "HTTPS", "#{protocol}")),
        "Host": TEXT,
        "Port": TEXT,
        "Path": TEXT,
        "Query": TEXT,
    },
    "Order": ANY,
}

LOAD_BALANCING: dict[str, dict[str, Any]] = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {
        "Name": ANY,
        "Scheme": ANY,
        "Type": Only(("application",)),
        "IpAddressType": ANY,
        "SecurityGroups": ANY,
        "Subnets": ANY,
        "LoadBalancerAttributes": Attributes(
            {
                "deletion_protection.enabled": ANY,
                "idle_timeout.timeout_seconds": Only(("60",)),
                "routing.http.drop_invalid_header_fields.enabled": ANY,
                "access_logs.s3.enabled": ANY,
                "access_logs.s3.bucket": ANY,
                "access_logs.s3.prefix": ANY,
            }
        ),
        "Tags": ANY,
    },
    "AWS::ElasticLoadBalancingV2::Listener": {
        "LoadBalancerArn": TEXT,
        "Protocol": Only(("HTTP", "HTTPS")),
        "Port": Number(1, 65535),
        "DefaultActions": Each(_ACTION),
        "Certificates": ANY,
        "SslPolicy": ANY,
    },
    "AWS::ElasticLoadBalancingV2::ListenerRule": {
        "ListenerArn": TEXT,
        "Priority": Number(1, 50000),
        "Conditions": Each(
            {
                "Field!": Only(("path-pattern", "host-header", "http-header", "http-request-method", "query-string")),
                "HttpRequestMethodConfig": {"Values!": Each(TEXT)},
                "QueryStringConfig": {"Values!": Each({"Key": TEXT, "Value!": TEXT})},
                "HttpHeaderConfig": {"HttpHeaderName!": TEXT, "Values!": Each(TEXT)},
                "Values": Each(TEXT),
                "PathPatternConfig": {"Values!": Each(TEXT)},
                "HostHeaderConfig": {"Values!": Each(TEXT)},
            }
        ),
        "Actions": Each(_ACTION),
    },
    "AWS::ElasticLoadBalancingV2::TargetGroup": {
        "Name": ANY,
        "HealthCheckEnabled": Only(("true",)),
        "HealthCheckPath": TEXT,
        "HealthCheckPort": Only(("traffic-port",)),
        "HealthCheckProtocol": Only(("HTTP",)),
        "HealthCheckIntervalSeconds": Number(5, 300),
        "HealthCheckTimeoutSeconds": Number(2, 120),
        "HealthyThresholdCount": Number(2, 10),
        "UnhealthyThresholdCount": Number(2, 10),
        "Matcher": {"HttpCode": TEXT, "GrpcCode": ANY},
        "Port": ANY,
        "Protocol": Only(("HTTP",)),
        "ProtocolVersion": Only(("HTTP1", "HTTP2", "GRPC")),
        "TargetType": Only(("ip",)),
        "TargetGroupAttributes": Attributes(
            {"deregistration_delay.timeout_seconds": Number(0, 3600), "stickiness.enabled": Only(("false",))}
        ),
        "VpcId": ANY,
        "Tags": ANY,
    },
    "AWS::Route53::RecordSet": {
        "Name!": TEXT,
        "Type": Only(("A", "AAAA")),
        "AliasTarget": {"DNSName!": TEXT, "HostedZoneId": ANY, "EvaluateTargetHealth": ANY},
        "HostedZoneId": ANY,
    },
}
