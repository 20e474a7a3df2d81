"""Every key of nova.toml, edited: what an adopter may write, and the nova.toml that holds it."""

import copy
from typing import Any

from helpers.existing import existing_network

DIGEST = f"@sha256:{'c' * 64}"
ROLE = "arn:aws:iam::555555555555:role/on-call"
ARN = "arn:aws:codeconnections:eu-west-1:444444444444:connection/11111111-0000-4000-8000-000000000000"
SLACK = {"workspace": "T01234567", "channel": "C01234567"}
ENDPOINTS = ["ecr.api", "ecr.dkr", "logs", "secretsmanager"]
CANARY = {"strategy": "canary", "percent": 20, "step_bake_minutes": 6, "bake_minutes": 7}
GATED = {**CANARY, "gate": "person", "gate_before": "steps", "gate_minutes": 33}
LINEAR = {"strategy": "linear", "percent": 25, "step_bake_minutes": 8, "bake_minutes": 9}
WINDOW = {"cron": "* * 8-16 ? * MON-FRI", "time_zone": "Asia/Tokyo"}


def environment(name: str, number: int, **keys: Any) -> dict[str, Any]:
    network = {"cidr": f"10.{number}.0.0/16"}
    return {"name": name, "account": f"{number:012}", "region": "eu-west-1", "network": network, **keys}


SHARED = {"account": f"{66:012}", "shared_account": "until there is another one"}
DOMAIN = {"name": "live.example.org", "zone_id": "Z0LIVE"}

KEY = "arn:aws:kms:eu-west-1:000000000068:key/1234abcd-12ab-34cd-56ef-1234567890ab"
NIGHT = {"schedule": "0 20 * * *", "time_zone": "Asia/Tokyo", "min_tasks": 0, "max_tasks": 1}
# A service of a ready image with every key that goes with one, and one that is built in its own way.
SHOP = {
    "name": "shop",
    "image": f"ghcr.io/acme/shop:1.4{DIGEST}",
    "credentials": {"secret": "acme/registry", "key": KEY},
    "entrypoint": ["/shop"],
    "command": ["serve"],
    "user": "0:1000",
    "root_reason": "It opens raw sockets.",
    "health": {"path": "/up", "command": ["/shop", "check"], "interval": 21, "timeout": 8, "start_seconds": 70},
    "stop_seconds": 90,
    "readonly_root": False,
    "readonly_root_reason": "It compiles templates beside its sources.",
    "protocol": "http2",
    "hosts": ["shop.example.org"],
    "permissions": [{"actions": ["s3:Get*"], "resources": ["arn:aws:s3:::acme/*"], "reason": "It reads its bucket."}],
    "connects_to": ["db.internal:5432"],
    "secrets": {"A": {"secret": "acme/a", "field": "password", "key": KEY}, "B": {"parameter": "/acme/b"}},
    "sidecars": [
        {
            "name": "otel",
            "image": f"ghcr.io/acme/otel{DIGEST}",
            "credentials": {"secret": "acme/otel-registry", "key": KEY},
            "command": ["collect"],
            "environment": {"LEVEL": "info"},
            "secrets": {"TOKEN": "acme/otel"},
            "user": "10",
            "readonly_root": False,
            "memory": 64,
            "essential": True,
            "health": {"command": ["/ok"], "interval": 11, "timeout": 3, "start_seconds": 12},
        }
    ],
    "before_deploy": ["/shop", "migrate"],
    "scaling": {"min_tasks": 2, "max_tasks": 5, "schedules": [NIGHT], "spot": {"percent": 60, "base": 2}},
    "rollout": GATED,
    "environments": {"live": {"cpu": 512, "priority": 43, "environment": {"WHERE": "{environment}"}}},
}
MADE = {
    "name": "made",
    "internal": True,
    "context": "services/made",
    "dockerfile": "services/made/Dockerfile",
    "target": "final",
    "build_arguments": {"MODE": "fast"},
}
PACKER = {
    "name": "packer",
    "kind": "worker",
    "queue": {
        "name": "orders-{environment}",
        "dead": "lost-{environment}",
        "fifo": True,
        "messages_per_task": 31,
        "oldest_seconds": 240,
        "dead_messages": 3,
        "tries": 4,
        "visibility_seconds": 95,
    },
}
MOVER = {
    "name": "mover",
    "kind": "worker",
    "queue": {
        "name": "waiting",
        "dead": "given-up",
        "existing": True,
        "key": "arn:aws:kms:{region}:{account}:key/of-{environment}",
    },
}
REPORT = {
    "name": "report",
    "kind": "job",
    "command": ["report"],
    "schedule": "0 3 * * *",
    "time_zone": "Asia/Tokyo",
    "timeout_seconds": 610,
    "allow_overlap": True,
    "run_before_promotion": True,
}

# Name of an edit to what it sets, by path: an integer is a place in a list, None removes the key.
EDITS: dict[str, dict[tuple[str | int, ...], Any]] = {
    "another name": {("platform", "name"): "acme"},
    "another toolchain": {("toolchain", "account"): "666666666666"},
    "another region": {("toolchain", "region"): "ap-northeast-1"},
    "a boundary": {("toolchain", "permissions_boundary"): True, ("delivery", "engine"): "codepipeline"},
    "another address": {("toolchain", "notifications", "emails"): ["acme@example.com"]},
    "a channel of the pipeline": {("toolchain", "notifications", "slack"): SLACK},
    "another repository": {("source", "repository"): "acme/shop.api"},
    "another branch": {("source", "branch"): "release/2.0"},
    "another connection": {("source", "connection_arn"): ARN},
    "a token": {("source", "connection_arn"): None, ("source", "token_secret"): "acme/github-token"},
    "other texts": {("source", "ignore_paths"): ["wiki/**", "LICENSE"]},
    "the other engine": {("delivery", "engine"): "github-actions"},
    "no early branch": {("delivery", "early_branch"): None},
    "another early branch": {("delivery", "early_branch"): "next"},
    "ids": {("delivery", "github_ids"): {"owner": 41, "repository": 42}},
    "a provider": {("delivery", "existing_oidc_providers"): ["222222222222"]},
    "a build argument": {("images", "build_arguments"): {"PIP_INDEX_URL": "https://pypi.example.com/simple"}},
    "another builder": {("images", "buildkit"): f"mirror.example.com/buildkit:v0.31.1{DIGEST}"},
    "another scanner": {("images", "scanner"): f"mirror.example.com/grype:v0.116.0{DIGEST}"},
    "another generator": {("images", "sbom_generator"): f"mirror.example.com/syft:1.12.0{DIGEST}"},
    "a release that goes together": {("release",): {"together": True, "wait_minutes": 55}},
    "basic scans": {("images", "scanning"): "basic"},
    "other environments": {
        ("environments", 0, "name"): "qa",
        ("environments", 1, "name"): "rc",
        ("environments", 2, "name"): "live-eu",
    },
    "other accounts": {("environments", n, "account"): f"{77 + n:012}" for n in range(3)},
    "other regions": {
        ("environments", 0, "region"): "eu-west-1",
        ("environments", 1, "region"): "us-west-2",
        ("environments", 2, "region"): "eu-west-1",
    },
    "one environment": {("environments",): [environment("live", 61, allow_plain_http=True)]},
    "two environments": {
        ("environments",): [
            environment("lab", 62, allow_plain_http=True, tests="integration"),
            environment("live", 63, approval=True, domain=DOMAIN),
        ]
    },
    "four environments": {
        ("environments",): [
            environment("dev", 64, allow_plain_http=True, tests="integration"),
            environment("qa", 65, allow_plain_http=True, tests="integration"),
            environment("stage", 66, allow_plain_http=True, tests="e2e"),
            environment("production", 67, approval=True, domain=DOMAIN, tests="e2e", **SHARED),
        ]
    },
    "more tests": {("environments", 2, "tests"): "integration"},
    "browser tests": {("environments", 0, "tests"): "e2e"},
    "an approval": {("environments", 1, "approval"): True},
    "a second try": {("environments", 0, "on_failure"): "retry"},
    "a window": {("environments", 2, "window"): WINDOW, ("environments", 2, "on_failure"): "stop"},
    "another domain": {
        ("environments", 2, "domain", "name"): "shop.example.org",
        ("environments", 2, "domain", "zone_id"): "Z0ACME",
    },
    "no domain": {
        ("environments", 1, "domain"): None,
        ("environments", 1, "allow_plain_http"): True,
        ("environments", 1, "approval"): None,  # what is approved needs one
    },
    "no firewall": {("environments", 1, "waf"): False},
    "a shell": {("environments", 0, "exec"): True},
    "longer logs": {("environments", 0, "log_retention_days"): 90},
    "a canary": {("environments", 0, "rollout"): CANARY},
    "linear": {("environments", 1, "rollout"): LINEAR},
    "blue and green": {("environments", 2, "rollout"): {"strategy": "blue-green", "bake_minutes": 11}},
    "a gate": {
        ("environments", 2, "rollout"): {**CANARY, "gate": "person", "gate_before": "steps", "gate_minutes": 13},
    },
    "rolling": {("environments", 2, "rollout"): {"strategy": "rolling", "bake_minutes": 12}},
    "more tasks": {("environments", 0, "scaling", "min_tasks"): 3, ("environments", 0, "scaling", "max_tasks"): 9},
    "another network": {
        ("environments", 0, "network", "cidr"): "172.16.0.0/16",
        ("environments", 0, "network", "zones"): ["b", "c"],
        ("environments", 0, "network", "nat_gateways"): 2,
    },
    "a private network": {
        ("toolchain", "region"): "us-east-1",  # its endpoints reach the registry in its own region alone
        ("environments", 1, "region"): "us-east-1",
        ("environments", 1, "network", "nat_gateways"): 0,
        ("environments", 1, "network", "interface_endpoints"): ENDPOINTS,
    },
    "others on call": {("environments", 2, "notifications", "emails"): ["night@example.com"]},
    "nobody on call": {("environments", 2, "notifications"): None},
    "a channel on call": {("environments", 2, "notifications", "slack"): SLACK},
    "operators": {("environments", 2, "operators"): [ROLE]},
    "services of any image": {
        ("environments",): [
            environment(
                "live", 68, domain={"name": "live.example.org", "zone_id": "Z0LIVE", "zone_name": "example.org"},
                scaling={"schedules": [NIGHT], "spot": {"percent": 70, "base": 3}},
            )
        ],
        ("environments", 0, "network"): {
            "vpc": "vpc-0123456789abcdef0",
            "cidr": "10.68.0.0/16",
            "public_subnets": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"],
            "private_subnets": ["subnet-0123456789abcdef3", "subnet-0123456789abcdef4"],
            **{key: existing_network(f"{68:012}", "eu-west-1")[key] for key in ("cluster", "load_balancer")},
        },
        ("services",): [SHOP, MADE, PACKER, MOVER, REPORT],
    },
    "not on the kit": {("services", 0, "kit"): None},
    "other services": {("services",): [{"name": "orders", "paths": ["/", "/orders/*"]}, {"name": "stock"}]},
    "one service": {("services",): [{"name": "shop-api"}]},
    "a service renamed": {("services", 0, "name"): "baskets"},
    "other paths": {("services", 0, "paths"): ["/cart/*", "/basket"]},
    "a priority": {("services", 0, "priority"): 41},
    "the suite as load": {
        ("environments", 2, "tests"): "integration",
        ("environments", 2, "rollout"): {**CANARY, "load": "suite"},
        ("services", 0, "rollout"): {**CANARY, "load": "suite"},
    },
    "a service's gate": {
        ("services", 0, "rollout"): {**CANARY, "gate": "person", "gate_before": "traffic", "gate_minutes": 14},
    },
    "smoke paths": {("services", 0, "paths"): ["/carts/*"], ("services", 0, "smoke"): ["/carts/version"]},
    "a service that is not tested": {
        ("services", 0, "smoke"): [],
        ("services", 0, "untested_reason"): "Its only path needs a signed request.",
    },
    "a larger service": {("services", 0, "cpu"): 1024, ("services", 0, "memory"): 4096},
    "another processor": {("services", 0, "architecture"): "arm64"},
    "another port": {("services", 0, "port"): 9001},
    "variables": {("services", 0, "environment"): {"LANGUAGE": "ja"}},
    "secrets": {("services", 0, "secrets"): {"API_TOKEN": "acme/token"}},
    "recorded requests": {("services", 0, "requests"): "load/recorded.har"},
    "other targets": {("services", 0, "targets"): {"cpu_percent": 45, "requests_per_minute": 300}},
    "other alarms": {
        ("services", 0, "alarms"): {
            "error_percent": 2.5, "unanswered_percent": 3, "min_requests": 51, "latency_ms": 310, "memory_percent": 71
        }
    },
    "dependencies of the rehearsal": {
        ("services", 0, "connects_to"): ["db.internal:5432"],
        ("rehearsal", "dependencies"): [
            {
                "name": "db", "image": "postgres:17", "port": 5432, "stands_for": ["db.internal"],
                "environment": {"POSTGRES_PASSWORD": "made-up"}, "provides": {"DB": "postgresql://{host}:{port}/shop"},
                "ready": {"command": ["pg_isready"], "seconds": 31}, "command": ["postgres", "-N", "44"],
                "max_connections": 90,
            },
            {"name": "aws", "build": "rehearsal/aws", "port": 4566, "ready": {"path": "/up", "port": 4567}},
        ],
    },
}  # fmt: skip
# A key that only makes sense beside another one is tried beside it.
BESIDE = {"ids": "the other engine", "a provider": "the other engine"}


def edited(raw: dict[str, Any], *names: str) -> dict[str, Any]:
    """What nova.toml holds after some edits."""
    raw = copy.deepcopy(raw)
    for path, value in (item for name in names for item in EDITS[name].items()):
        *above, last = path
        at: Any = raw
        for key in above:
            at = at[key] if isinstance(key, int) else at.setdefault(key, {})
        if value is None:
            at.pop(last, None)
        else:
            at[last] = copy.deepcopy(value)
    return raw
