"""What services say of themselves, by environment; and what of it contradicts itself."""

import importlib.util
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.config import Config, parse_config
from nova_infra.config.resolved import Resolved, origins, resolved
from nova_infra.config.services.service import Overrides
from nova_infra.config.values.actions import known_actions
from nova_infra.errors import ConfigError

ROOT = Path(__file__).parents[4]
DIGEST = f"sha256:{'a' * 64}"


def service(raw: dict[str, Any], where: str = "prod", **keys: Any) -> Resolved:
    raw["services"][0] |= keys
    config = parse_config(raw)
    return resolved(config.services[0], config.environment(where))


def faults(raw: dict[str, Any], **keys: Any) -> list[str]:
    raw["services"][0] |= keys
    with pytest.raises(ConfigError) as raised:
        parse_config(raw)
    return str(raised.value).splitlines()


def test_it_is_worked_out_once_and_a_service_of_the_same_name_is_another_one(config: Config) -> None:
    one, prod = config.services[0], config.environment("prod")
    assert resolved(one, prod) is resolved(one, prod)
    changed = one.model_copy(update={"memory": one.memory * 2})
    assert resolved(changed, prod).service.memory == 2 * resolved(one, prod).service.memory


def test_the_most_specific_value_wins_key_by_key(raw: dict[str, Any]) -> None:
    keys = {
        "scaling": {"max_tasks": 20},
        "rollout": {"percent": 20},
        "environment": {"A": "service", "B": "service"},
        "environments": {
            "prod": {"rollout": {"percent": 3}, "environment": {"B": "prod"}, "alarms": {"latency_ms": 90}}
        },
        "alarms": {"latency_ms": 800, "min_requests": 7},
    }
    prod, staging = (service(raw, name, **keys) for name in ("prod", "staging"))
    assert (prod.environment.scaling.min_tasks, prod.environment.scaling.max_tasks) == (2, 20)
    assert (staging.environment.scaling.min_tasks, staging.environment.scaling.max_tasks) == (1, 20)
    assert (prod.environment.rollout.percent, staging.environment.rollout.percent) == (3, 20)
    assert prod.environment.rollout.strategy == "canary"
    assert prod.service.environment == {"A": "service", "B": "prod"}
    assert staging.service.environment == {"A": "service", "B": "service"}
    assert (prod.service.alarms.latency_ms, prod.service.alarms.min_requests) == (90, 7)


def test_memory_follows_the_processor_unless_it_is_given(raw: dict[str, Any]) -> None:
    assert service(raw, cpu=1024).service.memory == 2048
    assert service(raw, cpu=256, environments={"prod": {"cpu": 512}}).service.memory == 1024


def test_a_list_and_a_secret_are_replaced_as_a_whole(raw: dict[str, Any]) -> None:
    found = service(
        raw,
        connects_to=["db:5432"],
        secrets={"A": "nova/a:field"},
        environments={"prod": {"connects_to": ["cache:6379"], "secrets": {"A": "ssm:/nova/a"}}},
    )
    assert found.service.connects_to == ("cache:6379",)
    assert found.service.secrets["A"].model_dump(exclude_none=True) == {"parameter": "/nova/a"}


def test_each_value_says_where_it_comes_from(raw: dict[str, Any]) -> None:
    found = service(
        raw,
        scaling={"max_tasks": 20},
        cpu=512,
        memory=1024,
        environments={"prod": {"memory": 2048, "environment": {"A": "{region}"}}},
    )
    config = parse_config(raw)
    sources = {
        each.key: (each.value, each.source)
        for each in origins(config.services[0], config.environment("prod"), config.services)
    }
    assert sources["scaling.max_tasks"] == (20, "[[services]]")
    assert sources["scaling.min_tasks"] == (2, "[[environments]]")
    assert sources["memory"] == (2048, "[services.environments.prod]")
    assert sources["environment.A"] == ("us-east-1", "[services.environments.prod]")
    assert sources["priority"] == (found.service.priority, "default")
    assert sources["stop_seconds"] == (30, "default")


WEB: dict[str, str] = {}
WORKER, JOB = {"kind": "worker"}, {"kind": "job", "schedule": "rate(9 minutes)"}
GET, PUT = ({"actions": [f"s3:{verb}Object"], "resources": ["arn:aws:s3:::b/*"]} for verb in ("Get", "Put"))
# Key to the kind of a service that has it, and its values in [[environments]] (None: it has no such key), [[services]]
# and [services.environments.prod].
PRECEDENCE: dict[str, tuple[dict[str, Any], Any, Any, Any]] = {
    "scaling.max_tasks": (WEB, 12, 13, 14),
    "rollout.bake_minutes": (WORKER, 6, 7, 8),
    "alarms.latency_ms": (WEB, None, 800, 900),
    "targets.cpu_percent": (WORKER, None, 50, 70),
    "cpu": (JOB, None, 512, 1024),
    "memory": (WEB, None, 1024, 2048),
    "environment.LEVEL": (JOB, None, "info", "warn"),
    "secrets.TOKEN.parameter": (WEB, None, "/shop/one", "/shop/two"),
    "permissions": (JOB, None, [GET], [PUT]),
    "connects_to": (WORKER, None, ["db:5432"], ["cache:6379"]),
    "sidecars": (WEB, None, [], [{"name": "otel", "image": f"ghcr.io/acme/otel@{DIGEST}"}]),
    "hosts": (
        {**WEB, "environments": {"staging": {"hosts": ["c.staging.nova.example.com"]}}},  # a host is in one environment
        None,
        ["a.staging.nova.example.com"],
        ["b.nova.example.com"],
    ),
    "priority": (WEB, None, 211, 223),
    "health.interval": (WORKER, None, 11, 17),
    "queue.tries": (WORKER, None, 3, 4),
    "schedule": (JOB, None, "rate(11 minutes)", "rate(13 minutes)"),
}
SOURCES = ("default", "[[environments]]", "[[services]]", "[services.environments.prod]")


def put(table: dict[str, Any], key: str, value: Any) -> None:
    *outer, last = key.split(".")
    for part in outer:
        table = table.setdefault(part, {})
    table[last] = value


def as_written(value: Any, given: Any) -> Any:
    """A value without what its tables have by default."""
    if isinstance(given, list):
        assert len(value) == len(given)
        return [as_written(each, one) for each, one in zip(value, given, strict=True)]
    if isinstance(given, dict):
        return {key: as_written(value[key], one) for key, one in given.items()}
    return value


def test_a_list_of_tables_is_shown_as_it_can_be_written(raw: dict[str, Any]) -> None:
    permission = {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::b-{environment}/*"]}
    raw["services"][0]["permissions"] = [permission]
    config = parse_config(raw)
    found = origins(config.services[0], config.environments[0], config.services)
    [shown] = [each.value for each in found if each.key == "permissions"]
    assert shown == ({"actions": ("s3:GetObject",), "resources": (f"arn:aws:s3:::b-{config.environments[0].name}/*",)},)


def test_the_table_of_precedence_has_every_key_that_can_differ() -> None:
    assert {key.partition(".")[0] for key in PRECEDENCE} == set(Overrides.model_fields)


@pytest.mark.parametrize("depth", one_of_each([1, 2, 3]))
@pytest.mark.parametrize("key", one_of_each(PRECEDENCE))
def test_the_innermost_table_that_has_a_key_wins_and_is_named(raw: dict[str, Any], key: str, depth: int) -> None:
    kind, *values = PRECEDENCE[key]
    if values[depth - 1] is None:
        return
    entry: dict[str, Any] = {"name": "shop", **deepcopy(kind)}
    raw["services"] = [entry]
    layers = (raw["environments"][2], entry, entry.setdefault("environments", {}).setdefault("prod", {}))
    for table, value in zip(layers[:depth], values, strict=False):
        if value is not None:
            put(table, key, value)
    config = parse_config(raw)
    found = {each.key: each for each in origins(config.services[0], config.environment("prod"), config.services)}
    assert found[key].source == SOURCES[depth]
    assert as_written(found[key].value, values[depth - 1]) == values[depth - 1]


def shown(raw: dict[str, Any], **keys: Any) -> dict[str, Any]:
    raw["services"] = [{"name": "other", **keys}]
    config = parse_config(raw)
    return {each.key: each for each in origins(config.services[0], config.environment("prod"), config.services)}


def test_what_says_nothing_of_a_kind_is_not_shown_of_it(raw: dict[str, Any]) -> None:
    worker = shown(raw, kind="worker")
    assert (worker["rollout.strategy"].value, worker["rollout.strategy"].source) == ("rolling", 'kind = "worker"')
    assert worker["rollout.bake_minutes"].source == "[[environments]]"
    assert worker.keys() >= {"scaling.max_tasks", "targets.cpu_percent", "alarms.memory_percent", "health.command"}
    assert not worker.keys() & {"rollout.percent", "targets.requests_per_minute", "alarms.latency_ms", "health.path"}
    job = shown(raw, kind="job", schedule="rate(7 minutes)")
    assert not [key for key in job if key.startswith(("rollout", "scaling", "health", "before_deploy"))]
    assert job["schedule"].source == "[[services]]"
    web = shown(raw)
    assert web["rollout.strategy"].value == "canary"
    assert web.keys() >= {"rollout.percent", "health.path", "before_deploy", "alarms.latency_ms"}


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"environments": {"qa": {}}}, "environments.qa: is not an environment: choose one of dev, prod, staging"),
        (
            {"memory": 512, "environments": {"prod": {"cpu": 1024}}},
            "environments.prod.cpu: 1024 contradicts services[0].memory = 512, which is not a memory that",
        ),
        (
            {"environments": {"prod": {"scaling": {"max_tasks": 1}}}},
            "prod.scaling.max_tasks: 1 is below min_tasks, where environments[2].scaling.min_tasks is 2: raise",
        ),
        (
            {"environments": {"prod": {"paths": ["/x"]}}},
            "environments.prod.paths: cannot differ between environments",
        ),
        (
            {"kit": False, "image": "ghcr.io/a/b:1"},
            "image: 'ghcr.io/a/b:1' is a tag, which may move, and prod requires an",
        ),
        ({"image": f"ghcr.io/a/b@{DIGEST}"}, "image: is built already, so kit would have no effect"),
        ({"image": "nginx"}, "image: 'nginx' is not an image by a digest or a tag other than latest"),
        ({"image": "nginx:latest"}, "image: 'nginx:latest' is not an image by a digest or a tag other than latest"),
        ({"context": "../elsewhere"}, "context: '../elsewhere' is not a path in the project"),
        ({"dockerfile": "/etc/passwd"}, "dockerfile: '/etc/passwd' is not a path in the project"),
        ({"readonly_root": False}, "readonly_root: false lets an intruder change the container: say why"),
        (
            {"health": {"interval": 5}},
            "health.interval: contradicts health.timeout, which is 5, not",
        ),
        ({"health": {"path": "up"}}, "health.path: 'up' is not the path of a health check"),
        ({"protocol": "grpc"}, "protocol: 'grpc' needs TLS, and dev has no domain"),
        (
            {"internal": True, "hosts": ["a.nova.example.com"]},
            "internal: true means that nobody can reach its hosts",
        ),
        (
            {"hosts": ["shop.example.org"]},
            "hosts: 'shop.example.org' is not under nova.example.com, the zone of prod",
        ),
        ({"hosts": ["https://a.example.com"]}, "hosts[0]: 'https://a.example.com' is not a host name"),
        (
            {"permissions": [{"actions": ["s3:GetObjet"], "resources": ["arn:aws:s3:::a/b"]}]},
            "permissions[0].actions[0]: 's3:GetObjet' is not an action of s3: did you mean s3:GetObject?",
        ),
        (
            {"permissions": [{"actions": ["dynamo:GetItem"], "resources": ["arn:aws:dynamodb:*:*:table/a"]}]},
            "permissions[0].actions[0]: 'dynamo:GetItem' begins with dynamo, which is not an IAM service: did you",
        ),
        (
            {"permissions": [{"actions": ["sqs:SendMessage"], "resources": ["arn:aws:sqqs:{region}:{account}:a"]}]},
            "is of sqqs, which is not an IAM service: did you mean sqs?",
        ),
        (
            {"permissions": [{"actions": ["s3:*"], "resources": ["arn:aws:s3:::a/b"]}]},
            "permissions[0]: allows s3:*, which is more than one action",
        ),
        ({"permissions": [{"actions": ["sqs:SendMessage"], "resources": ["*"]}]}, "allows it on every resource"),
        (
            {"environment": {"DATABASE_URL": "postgres://db.internal/a"}},
            "environment.DATABASE_URL: leads to db.internal:5432, a port that its tasks cannot reach: "
            'add connects_to = ["db.internal:5432"]',
        ),
        ({"connects_to": ["db.internal"]}, "connects_to[0]: 'db.internal' is not a host and a port"),
        ({"connects_to": ["db.internal:70000"]}, "connects_to[0]: 'db.internal:70000' is not a host and a port"),
        ({"secrets": {"A": {}}}, "secrets.A: has to name one place: write secret = … or parameter = …"),
        ({"secrets": {"A": {"parameter": "/a", "field": "b"}}}, "secrets.A: names a field of a parameter"),
        (
            {"sidecars": [{"name": "otel", "image": f"a/b@{DIGEST}", "memory": 600}]},
            "sidecars: may use 600 of the task's 512 MiB",
        ),
        (
            {"scaling": {"schedules": [{"schedule": "0 20 * * *", "min_tasks": 0, "max_tasks": 0}]}},
            "scaling.schedules: prod requires an approval, and there a service is never without tasks",
        ),
        (
            {"scaling": {"schedules": [{"schedule": "0 25 * * *", "min_tasks": 1, "max_tasks": 2}]}},
            "scaling.schedules[0].schedule: '0 25 * * *'",
        ),
        ({"sidecars": [{"name": "app", "image": f"a/b@{DIGEST}"}]}, "sidecars[0].name: 'app' is not a free name"),
    ],
)
def test_what_contradicts_itself_is_one_line_with_the_key_and_the_remedy(
    raw: dict[str, Any], keys: dict[str, Any], fault: str
) -> None:
    found = [line for line in faults(raw, **keys) if fault in line]
    assert len(found) == 1
    assert found[0].startswith("nova.toml: services[0].")


def test_everything_that_contradicts_itself_is_reported_at_once(raw: dict[str, Any]) -> None:
    lines = faults(
        raw, readonly_root=False, environment={"A": "redis://cache"}, context="services", image=f"a/b@{DIGEST}"
    )
    assert len(lines) == 4


def test_services_of_different_hosts_may_share_a_path_and_others_may_not(raw: dict[str, Any]) -> None:
    for environment, domain in zip(
        raw["environments"][1:], ("staging.nova.example.com", "nova.example.com"), strict=True
    ):
        environment["domain"]["zone_name"] = "example.com"
        assert environment["domain"]["name"] == domain
    raw["services"][0] |= {"hosts": ["a-{environment}.example.com"], "paths": ["/x/*"], "priority": 1}
    raw["services"][1] |= {"hosts": ["b-{environment}.example.com"], "paths": ["/x/*"], "priority": 2}
    parse_config(raw)
    raw["services"][1]["hosts"] = ["a-{environment}.example.com"]
    where = [line.rpartition(": give")[0].partition("carts-service at ")[2].partition(",")[0] for line in faults(raw)]
    assert where == [f"a-{name}.example.com" for name in ("dev", "staging", "prod")]


def test_a_rule_for_every_path_does_not_come_before_one_for_a_host(raw: dict[str, Any]) -> None:
    for environment in raw["environments"][1:]:
        environment["domain"]["zone_name"] = "example.com"
    raw["services"][0] |= {"hosts": ["{environment}.example.com"], "priority": 9}
    raw["services"][1] |= {"paths": ["/*"], "priority": 8}
    [line] = faults(raw)
    assert "services[1].priority: 8 comes before carts-service and bills-service and orders-service, whose" in line
    raw["services"][1]["priority"] = int(line.rpartition(" ")[2]) + 1
    parse_config(raw)


def test_values_are_shown_with_their_sources_and_defaults_only_on_request(
    nova: Callable[..., subprocess.CompletedProcess[str]], service_names: list[str]
) -> None:
    shown = nova("config", "show", service_names[1], "prod")
    assert shown.returncode == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["memory", "1024", "[[services]]"] in lines
    assert ["scaling.min_tasks", "2", "[[environments]]"] in lines
    assert not any(line[0] == "stop_seconds" for line in lines)
    assert ["stop_seconds", "30", "default"] in [
        line.split() for line in nova("config", "show", service_names[1], "prod", "--all").stdout.splitlines()
    ]
    refused = nova("config", "show", "nobody", "prod")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_the_list_of_actions_is_that_of_the_installed_linter() -> None:
    spec = importlib.util.spec_from_file_location("iam_actions", ROOT / "scripts" / "iam_actions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.LIST.read_text() == module.listed(), "run `python scripts/iam_actions.py`"
    assert "getobject" in known_actions()["s3"]
