"""One mistake at a time in each key that a release's course depends on: refused by a line that begins with the key."""

from collections.abc import Callable
from typing import Any

import pytest

from helpers.configuration import changed, faults
from nova_infra.config import parse_config

Raw = dict[str, Any]
Change = Callable[[Raw], object]
IMAGE = f"ghcr.io/a/b:1@sha256:{'a' * 64}"
JOB = {"name": "nightly", "kind": "job", "image": IMAGE, "command": ["x"], "schedule": "rate(1 day)"}
SCHEDULE = {"schedule": "cron(0 20 ? * MON-FRI *)", "min_tasks": 1, "max_tasks": 2}
ARN = "arn:aws:elasticloadbalancing:us-east-1:333333333333:{}/app/shared/50dc6c495c0c9188".format
BALANCER = {
    "arn": ARN("loadbalancer"),
    "listener": f"{ARN('listener')}/f2f7dc8efc522ab2",
    "security_group": "sg-0123456789abcdef0",
    "dns_name": "shared-1.us-east-1.elb.amazonaws.com",
    "zone_id": "Z32O12XQLNTSW2",
}
NETWORK = {
    "vpc": "vpc-0123456789abcdef0",
    "cidr": "10.30.0.0/16",
    "zones": ["a", "b"],
    "public_subnets": ["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"],
    "private_subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
}


def prod(path: str, value: Any) -> Change:
    return lambda raw: changed(raw, f"environments.2.{path}", value)


def rollout(**keys: Any) -> Change:
    return lambda raw: raw["environments"][2]["rollout"].update(keys)


def every(*changes: Change) -> Change:
    return lambda raw: [change(raw) for change in changes]


def first(path: str, value: Any) -> Change:
    return lambda raw: changed(raw, f"services.0.{path}", value)


def job(**keys: Any) -> Change:
    return lambda raw: raw["services"].append(JOB | keys)


def worker(**queue: Any) -> Change:
    return lambda raw: raw["services"].append({"name": "wk", "kind": "worker", "image": IMAGE, "queue": queue})


def schedule(**keys: Any) -> Change:
    return prod("scaling", {"min_tasks": 2, "max_tasks": 10, "schedules": [SCHEDULE | keys]})


def existing(**keys: Any) -> Change:
    return prod("network", NETWORK | keys)


def sidecar(**keys: Any) -> Change:
    return first("sidecars", [{"name": "p", "image": IMAGE} | keys])


REFUSED: dict[str, tuple[Change, str]] = {
    "a gate where nothing shifts": (
        lambda raw: raw["environments"][0]["rollout"].update(gate="person"),
        "environments[0].rollout.gate: needs a strategy that shifts traffic",
    ),
    "two who answer": (rollout(gate=["person"]), "environments[2].rollout.gate: is not one of the choices"),
    "a suite that is not there": (rollout(gate="suite"), "environments[2].rollout.gate: prod has no suite"),
    "a gate for no time": (rollout(gate="person", gate_minutes=0), "environments[2].rollout.gate_minutes: 0 is"),
    "a gate for ever": (rollout(gate="person", gate_minutes=1441), "environments[2].rollout.gate_minutes: 1441 is"),
    "a gate's time without a gate": (rollout(gate_minutes=31), "environments[2].rollout.gate_minutes: has no effect"),
    "a gate's place without a gate": (rollout(gate_before="steps"), "environments[2].rollout.gate_before: has no"),
    "together as text": (lambda raw: changed(raw, "release.together", "true"), "release.together: 'true' is neither"),
    "together for no time": (
        lambda raw: changed(raw, "release", {"together": True, "wait_minutes": 0}),
        "release.wait_minutes: 0 is out of range",
    ),
    "a wait of one": (lambda raw: changed(raw, "release", {"wait_minutes": 90}), "release.wait_minutes: has no effect"),
    "a boundary as text": (
        lambda raw: changed(raw, "toolchain.permissions_boundary", "yes"),
        "toolchain.permissions_boundary: 'yes' is neither true nor false",
    ),
    "a boundary without a pipeline": (
        every(
            lambda raw: changed(raw, "toolchain.permissions_boundary", True),
            lambda raw: changed(raw, "delivery.engine", "github-actions"),
        ),
        "toolchain.permissions_boundary: true limits the pipeline's roles",
    ),
    "a boundary where an environment is": (
        every(
            lambda raw: changed(raw, "toolchain.permissions_boundary", True),
            lambda raw: changed(raw, "environments.0.account", "444444444444"),
        ),
        "toolchain.permissions_boundary: true keeps the toolchain's account from creating roles for dev",
    ),
    "a sidecar named as the service's container": (sidecar(name="app"), "services[0].sidecars[0].name: 'app' is not"),
    "a sidecar without a digest": (sidecar(image="ghcr.io/a/b:latest"), "services[0].sidecars[0].image: "),
    "a sidecar with more than there is": (sidecar(memory=512), "services[0].sidecars: may use 512 of the task's 512"),
    "a sidecar's password": (
        sidecar(environment={"DB_PASSWORD": "hunter2"}),
        "services[0].sidecars[0].environment.DB_PASSWORD: is named like a secret",
    ),
    "more sidecars than a task has containers": (
        first("sidecars", [{"name": f"p{number}", "image": IMAGE} for number in range(10)]),
        "services[0].sidecars: has too many entries",
    ),
    "fewer at most than at least": (
        schedule(min_tasks=3),
        "environments[2].scaling.schedules[0].max_tasks: 2 is below min_tasks",
    ),
    "production without tasks": (schedule(min_tasks=0), "environments[2].scaling.schedules: prod requires an approval"),
    "a day that never comes": (
        schedule(schedule="cron(0 0 30 2 ? *)"),
        "environments[2].scaling.schedules[0].schedule: 'cron(0 0 30 2 ? *)' never comes",
    ),
    "two schedules at once": (
        prod("scaling", {"min_tasks": 2, "max_tasks": 9, "schedules": [SCHEDULE, SCHEDULE | {"max_tasks": 3}]}),
        "environments[2].scaling.schedules: has two entries",
    ),
    "a job once, long ago": (job(schedule="at(2001-01-01T00:00:00)"), "services[4].schedule: 'at(2001"),
    "a job by the second": (job(schedule="cron(*/5 * * * * *)"), "services[4].schedule: 'cron(*/5"),
    "a job on a day that no year of its has": (job(schedule="cron(0 0 29 2 ? 2027)"), "services[4].schedule: "),
    "a job that outlives a day": (job(timeout_seconds=86401), "services[4].timeout_seconds: 86401 is out of range"),
    "a job with a queue": (job(queue={}), "services[4].queue: belongs to a service of kind worker"),
    "a job with a gate": (job(rollout={"gate": "person"}), "services[4].rollout: applies to services that run"),
    "a job's time without its schedule": (
        lambda raw: raw["services"].append(
            {key: value for key, value in JOB.items() if key != "schedule"}
            | {"time_zone": "UTC", "run_before_promotion": True, "timeout_seconds": 600}
        ),
        "services[4].time_zone: ",
    ),
    "a queue in order": (worker(name="orders.fifo"), "services[4].queue.name: 'orders.fifo' is not the name"),
    "a queue that is its own dead one": (worker(name="a", dead="a"), "services[4].queue.dead: 'a' is the queue"),
    "a queue of somebody's": (worker(existing=True, name="a"), "services[4].queue.existing: needs the names of both"),
    "a queue by an unknown name": (worker(name="x-{service}"), "services[4].queue.name: has {service}, which nothing"),
    "a message hidden for more than SQS takes": (worker(visibility_seconds=43201), "services[4].queue.visibility"),
    "a subnet that is public and private": (
        existing(private_subnets=[NETWORK["public_subnets"][0], NETWORK["private_subnets"][1]]),
        "environments[2].network.private_subnets: 'subnet-0123456789abcdef2' is also listed as public",
    ),
    "a VPC by its name": (existing(vpc="shared"), "environments[2].network.vpc: 'shared' is not a VPC"),
    "a cluster of another account": (
        existing(cluster="arn:aws:ecs:us-east-1:111111111111:cluster/x"),
        "environments[2].network.cluster: 'arn:aws:ecs:us-east-1:111111111111:cluster/x' belongs to the account",
    ),
    "a network load balancer": (
        existing(load_balancer=BALANCER | {"arn": BALANCER["arn"].replace("/app/", "/net/")}),
        "environments[2].network.load_balancer.arn: ",
    ),
    "a listener of another one": (
        existing(load_balancer=BALANCER | {"listener": BALANCER["listener"].replace("50dc", "60dc")}),
        "environments[2].network.load_balancer.listener: ",
    ),
    "a load balancer without its VPC": (
        prod("network", {"load_balancer": BALANCER}),
        "environments[2].network.load_balancer: is in an existing VPC",
    ),
    "a firewall before what is another's": (existing(load_balancer=BALANCER), "environments[2].waf: true puts"),
    "a dependency at no port": (
        lambda raw: changed(raw, "rehearsal", {"dependencies": [{"name": "db", "image": "postgres:16", "port": 0}]}),
        "rehearsal.dependencies[0].port: 0 is out of range",
    ),
    "a token of a login": (
        first("environment", {"SESSION": f"eyJ{'a' * 10}.eyJ{'b' * 10}.{'c' * 10}"}),
        "services[0].environment.SESSION: holds an access token",
    ),
    "a token of npm's": (
        lambda raw: changed(raw, "images", {"build_arguments": {"REGISTRY": f"npm_{'a' * 36}"}}),
        "images.build_arguments.REGISTRY: holds an access token",
    ),
    "a reference for a branch": (
        lambda raw: changed(raw, "source.branch", "refs/heads/main"),
        "source.branch: 'refs/heads/main' is not a branch: write its name without spaces and refs/heads/",
    ),
    "a command of nothing": (
        first("before_deploy", [""]),
        "services[0].before_deploy[0]: '' is too short: write at least 1 character",
    ),
}


@pytest.mark.parametrize(("change", "line"), REFUSED.values(), ids=REFUSED.keys())
def test_a_mistake_is_refused_by_a_line_that_begins_with_its_key(raw: Raw, change: Change, line: str) -> None:
    change(raw)
    assert [each for each in faults(raw) if each.removeprefix("nova.toml: ").startswith(line)]


@pytest.mark.parametrize(
    "change",
    [
        rollout(gate="person", gate_minutes=720, gate_before="steps"),
        lambda raw: changed(raw, "release", {"together": True, "wait_minutes": 1200}),
        lambda raw: changed(raw, "toolchain.permissions_boundary", True),
        sidecar(name="proxy", memory=128),
        schedule(schedule="0 20 * * 1-5", time_zone="Asia/Tokyo"),
        job(schedule="cron(0 0 29 2 ? 2028)", timeout_seconds=86400),
        worker(name="orders-{environment}", visibility_seconds=43200),
        every(existing(load_balancer=BALANCER, cluster="shared"), prod("waf", False)),
        lambda raw: changed(raw, "source.branch", "reference"),
    ],
)
def test_the_same_keys_used_as_they_are_meant_are_accepted(raw: Raw, change: Change) -> None:
    change(raw)
    assert parse_config(raw)


@pytest.mark.parametrize(
    ("pattern", "file"),
    [
        ("[a-z]*/**", "nova_infra/app.py"),
        ("[!.]*", "nova.toml"),
        ("[n]ova.toml", "nova.toml"),
        (r"nova\.toml", "nova.toml"),
        ("{docs,services}/{**,*.md}", "services/carts-service/Dockerfile"),
        ("{docs/**,nova.toml}", "nova.toml"),
        ("services/{carts-service,store-service}/src/[mh]*", "services/carts-service/src/main.py"),
        ("**/{Dockerfile,*.lock}", "services/carts-service/Dockerfile"),
    ],
)
def test_a_pattern_that_ignores_what_is_delivered_is_refused_however_it_is_written(
    raw: Raw, pattern: str, file: str
) -> None:
    changed(raw, "source.ignore_paths", [pattern])
    [line] = faults(raw)
    assert line.startswith(f"nova.toml: source.ignore_paths[0]: {pattern!r} also matches {file}, so that a push")


def test_a_pattern_whose_brackets_name_nothing_is_refused(raw: Raw) -> None:
    changed(raw, "source.ignore_paths", ["[z-a]*"])
    [line] = faults(raw)
    assert line.startswith("nova.toml: source.ignore_paths[0]: '[z-a]*' has brackets that name no characters: ")


@pytest.mark.parametrize(
    "pattern",
    [
        "docs/[a-z]*.md",
        r"docs/\*",
        "{docs,notes}/**",
        "{docs",
        "docs}",
        "LICENSE,nova.toml",
        "[!a-z].md",
        "*.{md,{txt}}",
    ],
)
def test_a_pattern_that_leaves_out_what_is_delivered_is_accepted(raw: Raw, pattern: str) -> None:
    changed(raw, "source.ignore_paths", [pattern])
    assert parse_config(raw)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("DB_PASS", "x", "is named like a secret"),
        ("MYSQL_PWD", "x", "is named like a secret"),
        ("SECRET_KEY_BASE", "x", "is named like a secret"),
        ("DSN", "host=db user=shop password=x7", "holds the value of password"),
        ("CONNECTION", "Server=db;Password=x7;", "holds the value of Password"),
        ("HOOK", "https://example.com/?a=b&token=x7", "holds the value of token"),
    ],
)
def test_a_secret_in_plain_text_is_refused(raw: Raw, name: str, value: str, fault: str) -> None:
    changed(raw, "services.0.environment", {name: value})
    [line] = faults(raw)
    assert line.startswith(f"nova.toml: services[0].environment.{name}: {fault}, ")


def test_an_option_within_a_line_of_a_command_gives_a_secret(raw: Raw) -> None:
    changed(raw, "services.0.before_deploy", ["sh", "-c", "migrate --password hunter2"])
    [line] = faults(raw)
    assert line.startswith("nova.toml: services[0].before_deploy[2]: gives password in plain text, ")
    assert line.endswith("; if it is no secret, write it into a script of the image")


@pytest.mark.parametrize("reason", [" " * 20, "xxxxxxxx", "needs it,really"])
def test_a_reason_that_says_nothing_is_refused(raw: Raw, reason: str) -> None:
    permission = {"actions": ["s3:*"], "resources": ["arn:aws:s3:::a/*"], "reason": reason}
    changed(raw, "services.0.permissions", [permission])
    [line] = faults(raw)
    assert line.startswith("nova.toml: services[0].permissions[0].reason: ")
    assert line.endswith("is not a sentence: say why, in words that a reviewer can judge")


@pytest.mark.parametrize("reason", ["It writes all.", "すべての設定を書き込むため。", "PHPの設定のためです。"])
def test_a_reason_in_words_is_accepted_also_where_no_spaces_stand_between_them(raw: Raw, reason: str) -> None:
    permission = {"actions": ["s3:*"], "resources": ["arn:aws:s3:::a/*"], "reason": reason}
    changed(raw, "services.0.permissions", [permission])
    parse_config(raw)


def test_what_only_says_where_a_secret_is_is_accepted(raw: Raw) -> None:
    variables = {
        "DSN": "host=db password={password}",
        "FLAGS": "--password-file=/run/secret",
        "GRANT": "grant_type=password",
        "FIRST_PASS": "2",
        "OPTIONS": "password=$PASSWORD",
    }
    changed(raw, "services.0.environment", variables)
    assert parse_config(raw)
