"""Load balancers, their rules and target groups, and the names that lead to them."""

from typing import Any

from nova_infra.rehearsal.cloudformation.shapes import ANY, FLAG, TEXT, Attributes, Each, NotPlayed, Number, Only

_TARGETS = {"TargetGroupArn!": TEXT, "Weight": Number(0, 999)}
LOG_IN = ("authenticate-oidc", "authenticate-cognito", "jwt-validation")
"""Actions that come before another one, for users who have not logged in."""
_LOGGED_IN = NotPlayed("users' log-in at the load balancer: the rehearsal's users have logged in")
_ACTION = {
    "Type!": Only(("forward", "fixed-response", "redirect", *LOG_IN)),
    "AuthenticateOidcConfig": _LOGGED_IN,
    "AuthenticateCognitoConfig": _LOGGED_IN,
    "JwtValidationConfig": _LOGGED_IN,
    "TargetGroupArn": TEXT,
    "ForwardConfig": {
        "TargetGroups!": Each(_TARGETS),
        "TargetGroupStickinessConfig": {"Enabled": FLAG, "DurationSeconds": ANY},
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

_CONDITIONS = ("path-pattern", "host-header", "http-header", "http-request-method", "query-string", "source-ip")
_OF_NO_MATTER_TO_REQUESTS = (
    *("access_logs.s3.enabled", "access_logs.s3.bucket", "access_logs.s3.prefix"),
    *("connection_logs.s3.enabled", "connection_logs.s3.bucket", "connection_logs.s3.prefix"),
    *("deletion_protection.enabled", "client_keep_alive.seconds", "ipv6.deny_all_igw_traffic"),
    *("load_balancing.cross_zone.enabled", "zonal_shift.config.enabled", "waf.fail_open.enabled"),
    *(
        "routing.http.desync_mitigation_mode",
        "routing.http.drop_invalid_header_fields.enabled",
        "routing.http2.enabled",
    ),
    *("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "routing.http.xff_client_port.enabled"),
    *("dns_record.client_routing_policy", "secondary_ips.auto_assigned.per_subnet"),
)
_OF_NO_MATTER_TO_TARGETS = (
    *(
        f"target_group_health.{what}.minimum_healthy_targets.{unit}"
        for what in ("dns_failover", "unhealthy_state_routing")
        for unit in ("count", "percentage")
    ),
    *("slow_start.duration_seconds", "load_balancing.algorithm.anomaly_mitigation"),
    *("load_balancing.cross_zone.enabled", "stickiness.type"),
    *("stickiness.lb_cookie.duration_seconds", "stickiness.app_cookie.duration_seconds"),
    *("stickiness.app_cookie.cookie_name",),
    # Of a network load balancer's. Connections end here with their tasks at the latest.
    *("deregistration_delay.connection_termination.enabled", "preserve_client_ip.enabled"),
    *("target_health_state.unhealthy.connection_termination.enabled",),
    *("target_health_state.unhealthy.draining_interval_seconds", "target_failover.on_deregistration"),
    *("target_failover.on_unhealthy",),
)

LOAD_BALANCING: dict[str, dict[str, Any]] = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {
        "Name": ANY,
        "Scheme": ANY,
        "Type": Only(("application", "network")),
        "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic": ANY,
        "EnablePrefixForIpv6SourceNat": ANY,
        "IpAddressType": ANY,
        "SecurityGroups": ANY,
        "Subnets": ANY,
        "SubnetMappings": ANY,
        "MinimumLoadBalancerCapacity": ANY,
        "LoadBalancerAttributes": Attributes(
            {
                "idle_timeout.timeout_seconds": Number(1, 4000),
                "routing.http.xff_header_processing.mode": Only(("append",)),
                "routing.http.preserve_host_header.enabled": Only(("true", "false")),
                **dict.fromkeys(_OF_NO_MATTER_TO_REQUESTS, ANY),
            }
        ),
    },
    "AWS::ElasticLoadBalancingV2::Listener": {
        "LoadBalancerArn": TEXT,
        "Protocol": Only(("HTTP", "HTTPS", "TCP", "TLS")),
        "Port": Number(1, 65535),
        "DefaultActions": Each(_ACTION),
        "Certificates": ANY,
        "SslPolicy": ANY,
        "AlpnPolicy": ANY,
        "ListenerAttributes": ANY,
        "MutualAuthentication": NotPlayed("certificates of clients"),
    },
    "AWS::ElasticLoadBalancingV2::ListenerRule": {
        "ListenerArn": TEXT,
        "Priority": Number(1, 50000),
        "Conditions": Each(
            {
                "Field!": Only(_CONDITIONS),
                "SourceIpConfig": {"Values!": Each(TEXT)},
                "HttpRequestMethodConfig": {"Values!": Each(TEXT)},
                "QueryStringConfig": {"Values!": Each({"Key": TEXT, "Value!": TEXT})},
                "HttpHeaderConfig": {"HttpHeaderName!": TEXT, "Values!": Each(TEXT)},
                "Values": Each(TEXT),
                "PathPatternConfig": {"Values!": Each(TEXT)},
                "HostHeaderConfig": {"Values!": Each(TEXT)},
            }
        ),
        "Actions": Each(_ACTION),
        "Transforms": NotPlayed("paths and hosts that a rule rewrites"),
    },
    "AWS::ElasticLoadBalancingV2::TargetGroup": {
        "Name": ANY,
        "HealthCheckEnabled": Only(("true",)),
        "HealthCheckPath": TEXT,
        "HealthCheckPort": TEXT,
        "HealthCheckProtocol": Only(("HTTP", "HTTPS", "TCP")),
        "HealthCheckIntervalSeconds": Number(5, 300),
        "HealthCheckTimeoutSeconds": Number(2, 120),
        "HealthyThresholdCount": Number(2, 10),
        "UnhealthyThresholdCount": Number(2, 10),
        "Matcher": {"HttpCode": TEXT, "GrpcCode": ANY},
        "Port": ANY,
        "Protocol": Only(("HTTP", "HTTPS", "TCP")),
        "ProtocolVersion": Only(("HTTP1", "HTTP2", "GRPC")),
        "TargetType": Only(("ip", "instance")),  # whose services are left out
        "TargetGroupAttributes": Attributes(
            {
                "deregistration_delay.timeout_seconds": Number(0, 3600),
                "stickiness.enabled": FLAG,
                "proxy_protocol_v2.enabled": Only(("false",)),
                # Tasks of a service are alike, and a minute's requests are few: turns are as good as any.
                "load_balancing.algorithm.type": Only(("round_robin", "least_outstanding_requests", "weighted_random")),
                **dict.fromkeys(_OF_NO_MATTER_TO_TARGETS, ANY),
            }
        ),
        "VpcId": ANY,
        "IpAddressType": ANY,
    },
    "AWS::Route53::RecordSet": {
        "Name!": TEXT,
        "Type": Only(("A", "AAAA")),
        "AliasTarget": {"DNSName!": TEXT, "HostedZoneId": ANY, "EvaluateTargetHealth": ANY},
        "HostedZoneId": ANY,
    },
}
