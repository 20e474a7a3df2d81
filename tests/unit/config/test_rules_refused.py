"""What AWS, or CDK with a traceback, would refuse long after; and what nobody should deploy."""

from typing import Any

import pytest

from helpers.configuration import changed, faults
from nova_infra.config import parse_config

OPERATOR = "arn:aws:iam::333333333333:role/on-call"
CONNECTION = "arn:aws-cn:codeconnections:cn-north-1:444444444444:connection/0"
TOKEN = "${Token[TOKEN.12]}"
HUGE = 10**400


REFUSED = {
    "a percentage with three decimals": ("environments.1.rollout.percent", 10.125, "write at most one decimal"),
    "a percentage with two decimals": ("environments.0.rollout.percent", 0.15, "write at most one decimal"),
    "a placeholder of CDK's": ("services.0.environment", {"A": f"x{TOKEN}"}, "would be replaced on the way"),
    "a list of CDK's": ("services.0.paths", ["/#{Token[TOKEN.1]}"], "would be replaced on the way"),
    "a reference of CloudFormation's": (
        "services.0.environment",
        {"A": "{{resolve:secretsmanager:x}}"},
        "would be replaced on the way",
    ),
    "NUL": ("services.0.environment", {"A": "a\0b"}, r"has the character '\x00'"),
    "an escape": ("images", {"build_arguments": {"A": "\x1b[31m"}}, r"has the character '\x1b'"),
    "no character": ("services.0.environment", {"A": "\uffff"}, r"has the character '\uffff'"),
    "NUL in a key": ("services.0.environment", {"A\0": "b"}, "is a key with a character that AWS accepts nowhere"),
    "a number of 400 digits": ("services.0.port", HUGE, "is a number of more than 64 bits"),
    "a negative number": ("environments.1.scaling.max_tasks", -HUGE, "is a number of more than 64 bits"),
    "an id of a thousand digits": ("delivery.github_ids", {"owner": HUGE, "repository": 7}, "more than 64 bits"),
    "an id of twenty digits": ("delivery.github_ids", {"owner": 1, "repository": 2**62}, "less than or equal to"),
    "an address twice": ("environments.2.notifications.emails", ["a@b.de", "a@b.de"], "has 'a@b.de' twice"),
    "a zone twice": ("environments.1.network.zones", ["a", "a"], "has 'a' twice: write it once"),
    "an endpoint twice": ("environments.1.network.interface_endpoints", ["sts", "logs", "sts"], "has 'sts' twice"),
    "an operator twice": ("environments.2.operators", [OPERATOR, OPERATOR], "twice: write it once"),
    "an account twice": ("delivery.existing_oidc_providers", ["111111111111"] * 2, "has '111111111111' twice"),
    "a pattern twice": ("source.ignore_paths", ["docs/**", "docs/**"], "has 'docs/**' twice"),
    "another partition": (
        "environments.1.region",
        "cn-north-1",
        "is in aws-cn, but us-east-1 of the toolchain is in aws",
    ),
    "the government's": ("environments.2.region", "us-gov-west-1", "is in aws-us-gov, but us-east-1"),
    "an operator elsewhere": ("environments.2.operators", [OPERATOR.replace("aws", "aws-cn")], "name a role in aws"),
    "a toolchain where nothing is signed": ("toolchain.region", "eu-south-2", "cannot sign images in ECR"),
    "a pipeline where none calls": ("toolchain.region", "eu-south-1", 'or write engine = "github-actions"'),
    "a connection elsewhere": ("source.connection_arn", CONNECTION, "name a connection in aws"),
    "its region elsewhere": ("source.connection_arn", CONNECTION.replace("aws-cn", "aws"), "name a connection in aws"),
    "seven wildcards": ("services.0.paths", ["/a*b*c*d*", "/e?f?g?"], "has 7 wildcards, but a rule"),
    "sixteen wildcards": ("services.0.paths", ["/*" * 16], "has 16 wildcards, but a rule"),
    "six values of a rule": ("services.0.paths", [f"/{n}" for n in range(6)], "write at most 5"),
    "more connections than a security group has rules": (
        "services.0.connects_to",
        [f"db:{5000 + n}" for n in range(51)],
        "write at most 50",
    ),
    "a variable of 100 KB": ("services.0.environment", {"A": "x" * 100_000}, "takes 97 KiB, but there is room for 48"),
    "many variables": ("services.0.environment", {f"A{n}": "x" * 500 for n in range(100)}, "but there is room for 48"),
    "an argument of 100 KB": ("images", {"build_arguments": {"A": "x" * 100_000}}, "but there is room for 32 KiB"),
    "an unknown time zone": (
        "environments.2.window",
        {"cron": "* * 9-17 ? * MON-FRI", "time_zone": "Mars/Phobos"},
        "is not a time zone: write one such as Asia/Tokyo",
    ),
    "a branch of dots": ("source.branch", "a..b", "is not a branch"),
    "a branch like an option": ("source.branch", "-x", "is not a branch"),
    "a branch of slashes": ("delivery.early_branch", "a//b", "is not a branch"),
    "a branch that ends": ("source.branch", "main/", "is not a branch"),
    "a lock of git's": ("source.branch", "a.lock", "is not a branch"),
    "an address's end": ("source.repository", "org/shop.git", "is not a repository"),
    "a repository above": ("source.repository", "org/..", "is not a repository"),
    "a password": ("services.0.environment", {"DB_PASSWORD": "hunter2"}, "is named like a secret"),
    "a token": ("services.0.environment", {"token": "x"}, "is named like a secret"),
    "an api key": ("services.0.environment", {"OPENAI_API_KEY": "x"}, "name it under secrets"),
    "a password in a URL": (
        "services.0.environment",
        {"DB": "https:" + "//me:pw@db/x"},
        "holds a URL with a password",
    ),
    "an access key": ("services.0.environment", {"ID": "AKIA" + "ABCDEFGHIJKLMNOP"}, "holds an AWS access key"),
    "a private key": ("services.0.environment", {"A": "-----BEGIN RSA " + "PRIVATE KEY-----\n"}, "holds a private key"),
    "a token of GitHub's": ("services.0.environment", {"A": f"ghp_{'a' * 36}"}, "holds an access token"),
    "a secret in an image": ("images", {"build_arguments": {"NPM_TOKEN": "x"}}, "is named like a secret"),
    "an option's password": ("services.0.command", ["serve", "--password=hunter2"], "gives password in plain text"),
    "an option's next": ("services.0.entrypoint", ["serve", "--db-password", "hunter2"], "gives db-password in plain"),
    "an assignment": ("services.0.before_deploy", ["sh", "-c", "API_KEY=abc migrate"], "gives API_KEY in plain text"),
    "a key in an argument": ("services.0.command", ["x", "AKIA" + "ABCDEFGHIJKLMNOP"], "holds an AWS access key"),
    "a URL in a check": (
        "services.0.health",
        {"command": ["curl", "http:" + "//me:pw@localhost/"]},
        "health.command[1]: holds a URL with a password",
    ),
    "a sidecar's argument": (
        "services.0.sidecars",
        [{"name": "p", "image": "p@sha256:" + "0" * 64, "command": ["--token", "abc"]}],
        "sidecars[0].command[0]: gives token in plain text",
    ),
    "a sidecar's in one environment": (
        "services.0.environments",
        {"prod": {"sidecars": [{"name": "p", "image": "p@sha256:" + "0" * 64, "command": ["--token=abc"]}]}},
        "environments.prod.sidecars[0].command[0]: gives token in plain text",
    ),
    "a command for which there is no room": (
        "services.0.before_deploy",
        ["x" * 8_000],
        "takes 8,004 characters, but ECS allows 8,000 for a task's command",
    ),
    "a sidecar without end": (
        "services.0.sidecars",
        [{"name": "p", "image": "p@sha256:" + "0" * 64, "memory": 10**5_000}],
        "sidecars[0].memory",
    ),
    "all of IAM": (
        "services.0.permissions",
        [{"actions": ["iam:*"], "resources": ["arn:aws:iam::{account}:role/x"], "reason": "because we like it"}],
        "lets the service give itself any permission",
    ),
    "any role": (
        "services.0.permissions",
        [{"actions": ["sts:AssumeRole"], "resources": ["*"], "reason": "because we like it"}],
        "lets the service give itself any permission",
    ),
    "everything": (
        "services.0.permissions",
        [{"actions": ["*"], "resources": ["*"], "reason": "because we like it"}],
        "lets the service give itself any permission",
    ),
    "the role that deploys": (
        "services.0.environments",
        {
            "prod": {
                "permissions": [
                    {"actions": ["sts:AssumeRole"], "resources": ["arn:aws:iam::{account}:role/cdk-x-deploy-role-y"]}
                ]
            }
        },
        "environments.prod.permissions[0].actions[0]: 'sts:AssumeRole' on a role of CDK's bootstrap",
    ),
    "the ledger": (
        "services.0.permissions",
        [
            {
                "actions": ["ssm:PutParameter"],
                "resources": ["arn:aws:ssm:{region}:{account}:parameter/nova/prod/release"],
            }
        ],
        "reaches the ledger, holds and waivers",
    ),
    "everything ignored": ("source.ignore_paths", ["**"], "also matches nova.toml"),
    "all files ignored": ("source.ignore_paths", ["*"], "also matches nova.toml"),
    "all directories ignored": ("source.ignore_paths", ["**/*"], "also matches nova.toml"),
    "the services ignored": ("source.ignore_paths", ["services/**"], "also matches services/carts-service/Dockerfile"),
    "one service ignored": ("source.ignore_paths", ["services/store-service/**"], "services/store-service/Dockerfile"),
    "all code ignored": ("source.ignore_paths", ["docs/**", "**/*.py"], "source.ignore_paths[1]: '**/*.py' also"),
    "texts of images ignored": ("source.ignore_paths", ["**.md"], "services/carts-service/src/handbook.md"),
    "a choice of files ignored": ("source.ignore_paths", ["*.{toml,md}"], "also matches nova.toml"),
    "an earlier environment's account": ("environments.2.account", "222222222222", "is also that of staging"),
    "the toolchain's account": ("environments.2.account", "444444444444", "is also that of the toolchain"),
    "an excuse for nothing": ("environments.2.shared_account", "there is only one", "has no effect"),
    "a shell without a firewall": ("environments.2", {"waf": False, "exec": True}, "without a firewall"),
}
NETWORKS = (
    *("127.0.0.0/16", "169.254.0.0/16", "0.0.0.0/16", "198.18.0.0/16", "192.0.2.0/24", "198.51.100.0/24"),
    *("203.0.113.0/24", "192.0.0.0/24", "240.0.0.0/16", "255.255.0.0/16", "224.0.0.0/16", "100.128.0.0/16"),
    *("172.15.0.0/16", "172.32.0.0/16", "192.169.0.0/16", "11.0.0.0/16"),
)


@pytest.mark.parametrize(("path", "value", "fault"), REFUSED.values(), ids=REFUSED.keys())
def test_what_would_fail_later_or_be_weak_is_refused_in_one_line(
    raw: dict[str, Any], path: str, value: Any, fault: str
) -> None:
    if isinstance(value, dict) and path == "environments.2":
        value = raw["environments"][2] | value
    [line] = faults(changed(raw, path, value))
    assert line.startswith("nova.toml: ")
    assert fault in line
    assert len(line) < 500


HOSTS = [f"{letter}.{{environment}}.nova.example.com" for letter in "abc"]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            {"hosts": HOSTS, "paths": ["/a", "/b", "/c"]},
            "services[0].paths: are 6 values together with hosts, and a rule of the load balancer has at most 5: ",
        ),
        (
            {"hosts": HOSTS[:2], "paths": ["/a", "/b", "/c"], "smoke": ["/a"]},
            "services[0].paths: 5 values leave no room for the header of its tests, as a rule has 5: ",
        ),
        (
            {"paths": ["/a*", "/b*", "/c"], "environments": {"staging": {"hosts": [f"*.{h}" for h in HOSTS]}}},
            "services[0].environments.staging.hosts: contradicts paths, which are 6 values together with hosts",
        ),
        (
            {"paths": ["/a*b*", "/c*d*"], "environments": {"staging": {"hosts": [f"*.{h}*" for h in HOSTS[:1]]}}},
            "is not a host name",
        ),
        (
            {
                "paths": ["/a*b*c", "/*d*e*"],
                "environments": {"staging": {"hosts": [f"*.x.{HOSTS[0]}", f"*.{HOSTS[0]}"]}},
            },
            "services[0].environments.staging.hosts: contradicts paths, which has 7 wildcards",
        ),
    ],
)
def test_a_rule_of_more_values_or_wildcards_than_the_load_balancer_takes(
    raw: dict[str, Any], keys: dict[str, Any], line: str
) -> None:
    raw["environments"][2]["domain"]["name"] = "prod.nova.example.com"
    raw["services"][0] |= keys
    assert any(line in each for each in faults(raw))


@pytest.mark.parametrize(
    ("region", "name", "right"),
    [
        *(("us-east-1", name, right) for name, right in (("rc-eu", False), ("rceu", True), ("eu-rc", True))),
        ("eu-west-1", "rc-eu", True),
    ],
)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_environments_of_one_account_whose_names_could_not_be_told_apart(
    raw: dict[str, Any], region: str, name: str, right: bool, order: tuple[int, int]
) -> None:
    first, second = (raw["environments"][place] for place in order)
    second["account"] = first["account"]
    first["name"], second["name"], second["region"] = "rc", name, region
    if right:
        assert parse_config(raw)
    else:
        assert faults(raw) == [
            f"nova.toml: environments[{order[1]}].name: {name!r} begins like rc, whose roles and alarms would include "
            f"it, as both are in {first['account']} {region}: choose another name"
        ]


@pytest.mark.parametrize("name", ["platform", "github", "images"])
def test_an_environment_by_the_name_of_something_else(raw: dict[str, Any], name: str) -> None:
    raw["environments"][0]["name"] = name
    assert any(f"{name!r} is already the name of" in each for each in faults(raw))


def test_a_service_whose_alarm_would_be_that_of_its_environment(raw: dict[str, Any]) -> None:
    raw["services"][0]["name"] = "canary"
    assert "services[0].name: 'canary' is already the name of a group of alarms" in faults(raw)[0]


WORKER = {"kind": "worker", "image": f"ghcr.io/a/b@sha256:{'c' * 64}"}


@pytest.mark.parametrize(
    ("queues", "line"),
    [
        (
            {"w": {"name": "q" * 76}},
            f"services[4].queue.name: leaves no room for the dead-letter queue's name, '{'q' * 76}",
        ),
        (
            {"w": {}, "w-dead": {}},
            "services[5].queue.name: its default, 'nova-dev-w-dead', is also a queue of w (by default,",
        ),
    ],
)
def test_queues_whose_names_sqs_refuses(raw: dict[str, Any], queues: dict[str, dict[str, str]], line: str) -> None:
    raw["services"] += [{"name": name, "queue": queue, **WORKER} for name, queue in queues.items()]
    assert line in faults(raw)[0]


@pytest.mark.parametrize("queue", [{"name": "q" * 75}, {"name": "q" * 80, "dead": "d"}])
def test_the_longest_names_of_queues_are_accepted(raw: dict[str, Any], queue: dict[str, str]) -> None:
    raw["services"].append({"name": "w", "queue": queue, **WORKER})
    assert parse_config(raw)


@pytest.mark.parametrize("cidr", NETWORKS)
def test_a_range_that_no_vpc_can_have_or_that_is_not_private_is_refused(raw: dict[str, Any], cidr: str) -> None:
    assert faults(changed(raw, "environments.1.network.cidr", cidr)) == [
        f"nova.toml: environments[1].network.cidr: '{cidr}' is not a private range: "
        "choose one within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10"
    ]


@pytest.mark.parametrize("cidr", ["10.255.0.0/16", "172.31.0.0/16", "192.168.255.0/24", "100.127.0.0/16"])
def test_the_last_of_each_private_range_is_accepted(raw: dict[str, Any], cidr: str) -> None:
    raw["services"] = raw["services"][:1]
    assert parse_config(changed(raw, "environments.0.network.cidr", cidr))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("environments.1.rollout.percent", 0.3),
        ("environments.1.rollout.percent", 33.3),
        ("services.0.paths", ["/a*b*c*", "/e?f?g?"]),
        ("services.0.environment", {"A": "x" * 40_000}),
        ("services.0.environment", {"MAX_TOKENS": "7", "PASSWORD_FILE": "/run/x", "TOKEN_URL": "https://a.b/@c"}),
        ("services.0.command", ["serve", "--token-ttl=30", "--password-file=/run/pw", "--no-password", "x"]),
        ("services.0.command", ["sh", "-c", "serve --password=$PW API_KEY=$KEY", "--token", "$TOKEN", "--secret"]),
        ("services.0.command", ["serve", "postgres:" + "//me:$PW@db/x", "--require-token", "true", "--token=@/run/t"]),
        ("services.0.before_deploy", ["migrate", "-v", "-v"]),
        (
            "services.0.permissions",
            [{"actions": ["sts:AssumeRole", "iam:GetRole"], "resources": ["arn:aws:iam::{account}:role/reports"]}],
        ),
        (
            "services.0.permissions",
            [
                {
                    "actions": ["ssm:PutParameter"],
                    "resources": ["arn:aws:ssm:{region}:{account}:parameter/shop/cursor"],
                }
            ],
        ),
        ("services.0.environment", {"PASSWORD": "", "TEXT": "two\nlines\tand $dollars, {braces}"}),
        ("source.ignore_paths", ["docs/**", "*.md", "LICENSE", "**/CHANGELOG.txt"]),
        ("source.branch", "release/2.x"),
        ("environments.1.window", {"cron": "* * 9-17 ? * MON-FRI", "time_zone": "America/Argentina/Buenos_Aires"}),
        ("environments.2.exec", True),
    ],
)
def test_what_only_looks_like_it_is_accepted(raw: dict[str, Any], path: str, value: Any) -> None:
    assert parse_config(changed(raw, path, value))


def test_several_faults_of_all_kinds_are_reported_at_once(raw: dict[str, Any]) -> None:
    del raw["environments"][2]["domain"]
    raw["environments"][2] |= {"allow_plain_http": True, "exec": True, "waf": False}
    changed(raw, "source.ignore_paths", ["**"])
    changed(raw, "services.0.environment", {"PASSWORD": "x"})
    changed(raw, "environments.0.network.zones", ["a", "a"])
    text = "\n".join(faults(raw))
    assert "environments[2].allow_plain_http: true lets anyone in between read and change" in text
    for key in ("environments[2].exec", "ignore_paths[0]", "environment.PASSWORD", "environments[0].network.zones"):
        assert key in text


def test_overrides_with_a_wrong_name_and_a_wrong_key_are_both_reported(raw: dict[str, Any]) -> None:
    changed(raw, "services.0.environments", {"": {"cpu": 3}, "prod": {"cpu": 5, "secrets": {"1 A": {"secret": "x"}}}})
    raw["services"][0]["environments"] |= {"a b": {"rollout": {"percent": "many"}}}
    text = "\n".join(faults(raw))
    for key in ("services[0].environments", "prod"):
        assert key in text
