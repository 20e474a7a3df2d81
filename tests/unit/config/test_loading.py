from pathlib import Path
from typing import Any

import pytest

from helpers.configuration import changed, faults
from helpers.exhaustive import one_of_each
from nova_infra.config import FARGATE_MEMORY_MIB, Config, Images, aws_regions, load_config, parse_config
from nova_infra.errors import ConfigError

ROOT = Path(__file__).parents[3]


def test_the_order_of_the_environments_is_the_promotion_order(config: Config) -> None:
    assert [environment.name for environment in config.environments] == ["dev", "staging", "prod"]


def test_a_configuration_cannot_be_changed(config: Config) -> None:
    with pytest.raises(ValueError, match="frozen"):
        config.services[0].port = 1


def test_a_service_without_paths_gets_its_name_as_path(config: Config) -> None:
    assert config.service("carts-service").paths == ("/carts-service/*",)


def test_the_priority_of_a_service_does_not_depend_on_its_place(raw: dict[str, Any]) -> None:
    before = {service.name: service.priority for service in parse_config(raw).services}
    raw["services"].reverse()
    assert {service.name: service.priority for service in parse_config(raw).services} == before


def test_an_unknown_environment_is_named_with_the_choices(config: Config) -> None:
    with pytest.raises(ConfigError, match="'qa' is not one of dev, staging, prod"):
        config.environment("qa")


def test_an_unknown_service_is_named_with_the_choices(config: Config) -> None:
    with pytest.raises(ConfigError, match="'mail' is not one of carts-service"):
        config.service("mail")


BAD_VALUES = [
    ("platform.name", "Nova", "platform.name: 'Nova'", "is not a name that AWS resources can have"),
    ("platform.name", "a-very-long-name", "platform.name: 'a-very-long-name'", "at most 12"),
    ("toolchain.account", "1234", "toolchain.account: '1234'", "is not an AWS account"),
    ("toolchain.account", 444444444444, "toolchain.account: 444444444444", "is not text: put it in quotes"),
    ("toolchain.region", "us-moon-1", "toolchain.region: 'us-moon-1'", "is not an AWS region"),
    ("toolchain.region", "aws-global", "toolchain.region: 'aws-global'", "is not an AWS region"),
    ("toolchain.colour", "red", "toolchain.colour: 'red'", "is not a key that Nova knows"),
    (
        "toolchain.notifications.emails",
        ["t\u0435am@example.com"],
        "emails[0]: 't\u0435am@",
        "not an e-mail address",
    ),
    ("toolchain.notifications.emails", ["me"], "toolchain.notifications.emails[0]: 'me'", "not an e-mail address"),
    ("toolchain.notifications.slack", {"workspace": "x", "channel": "C01234567"}, "slack.workspace: 'x'", "Slack"),
    ("source.repository", "nova", "source.repository: 'nova'", "is not a repository"),
    ("source.branch", "", "source.branch: ''", "is not a branch"),
    ("source.connection_arn", "arn:x", "source.connection_arn: 'arn:x'", "is not a connection"),
    ("source.token_secret", "t", "source:", "needs exactly one way to authenticate"),
    ("delivery.engine", "jenkins", "delivery.engine: 'jenkins'", "is not one of the choices"),
    ("delivery.early_branch", "a b", "delivery.early_branch: 'a b'", "is not a branch"),
    ("delivery.github_ids", {"owner": 1}, "delivery.github_ids.repository:", "is missing"),
    ("delivery.existing_oidc_providers", ["1"], "existing_oidc_providers[0]: '1'", "is not an AWS account"),
    ("images", {"scanning": "none"}, "images.scanning: 'none'", "is not one of the choices"),
    ("images", {"build_arguments": {"A-B": "1"}}, "A-B", "is not the name of an environment variable"),
    ("images", {"buildkit": "moby/buildkit:v0.31.1"}, "images.buildkit:", "is not an image by its digest: write"),
    ("images", {"sbom_generator": "x@sha256:1"}, "images.sbom_generator:", "is not an image by its digest: write"),
    ("source.ignore_paths", ["a b"], "source.ignore_paths[0]: 'a b'", "is not a pattern of paths"),
    ("source.ignore_paths", ["!docs"], "source.ignore_paths[0]: '!docs'", "without ! or / before it"),
    ("source.ignore_paths", ["/docs/**"], "source.ignore_paths[0]: '/docs/**'", "without ! or / before it"),
    ("source.ignore_paths", ["../docs"], "source.ignore_paths[0]: '../docs'", "without . or .. as a directory"),
    ("source.ignore_paths", ["a/.."], "source.ignore_paths[0]: 'a/..'", "without . or .. as a directory"),
    ("source.ignore_paths", ["./docs/**"], "source.ignore_paths[0]: './docs/**'", "without . or .. as a directory"),
    ("environments", [], "environments:", "has too few entries"),
    ("environments", "dev", "environments: 'dev'", "is not a list"),
    ("environments.0", "dev", "environments[0]: 'dev'", "is not a table"),
    ("environments.0.name", "Dev", "environments[0].name: 'Dev'", "is not a name"),
    ("environments.0.account", "12345678901a", "environments[0].account: '12345678901a'", "12 digits"),
    ("environments.0.region", "tokyo", "environments[0].region: 'tokyo'", "is not an AWS region"),
    ("environments.0.tests", "smoke", "environments[0].tests: 'smoke'", "write 'integration' or 'e2e'"),
    ("environments.2.approval", "yes", "environments[2].approval: 'yes'", "is neither true nor false"),
    ("environments.0.on_failure", "panic", "environments[0].on_failure: 'panic'", "is not one of the choices"),
    (
        "environments.0.log_retention_days",
        31,
        "environments[0].log_retention_days: 31",
        "is not one of the choices",
    ),
    ("environments.0.window", {"cron": "daily"}, "environments[0].window.cron: 'daily'", "is not a schedule"),
    ("environments.1.allow_plain_http", True, "environments[1].allow_plain_http: true", "contradicts the domain"),
    ("environments.1.domain", {"name": "a.b", "zone_id": "Z12345"}, "domain.name: 'a.b'", "is not a domain name"),
    ("environments.1.domain", {"name": "a.example.com", "zone_id": "x"}, "zone_id: 'x'", "hosted zone"),
    ("environments.1.domain", {"name": "a.example.com"}, "environments[1].domain.zone_id:", "is missing"),
    ("environments.0.rollout.strategy", "yolo", "rollout.strategy: 'yolo'", "is not one of the choices"),
    ("environments.1.rollout.percent", 0, "rollout.percent: 0", "out of range"),
    ("environments.1.rollout.percent", 100, "rollout.percent: 100", "moves all traffic at once"),
    ("environments.1.rollout.percent", float("nan"), "rollout.percent: nan", "is not a usable number"),
    ("environments.1.rollout.percent", "10", "rollout.percent: '10'", "is not a number"),
    ("environments.1.rollout", {"strategy": "linear", "percent": 2}, "percent: 2", "smaller step than ECS accepts"),
    ("environments.1.rollout.bake_minutes", 4, "rollout.bake_minutes: 4", "greater than or equal to 5"),
    ("environments.1.rollout.step_bake_minutes", 1441, "step_bake_minutes: 1441", "less than or equal to 1440"),
    ("environments.1.rollout.bake_minutes", 5.5, "rollout.bake_minutes: 5.5", "whole number"),
    ("environments.0.scaling", {"min_tasks": 3, "max_tasks": 2}, "scaling.max_tasks: 2", "is below min_tasks"),
    ("environments.0.scaling.min_tasks", 0, "scaling.min_tasks: 0", "greater than or equal to 1"),
    ("environments.0.network.cidr", "10.0.0.1/16", "network.cidr: '10.0.0.1/16'", "is not an IPv4 network"),
    ("environments.0.network.cidr", "10.0.0.0/255.255.0.0", "10.0.0.0/255.255.0.0'", "is not an IPv4 network"),
    ("environments.0.network.cidr", "10.0.0.0/8", "network.cidr: '10.0.0.0/8'", "from /16 to /24"),
    ("environments.0.network.cidr", "8.8.0.0/16", "network.cidr: '8.8.0.0/16'", "is not a private range"),
    ("environments.0.network.zones", ["a"], "network.zones:", "has too few entries"),
    ("environments.0.network.zones", ["a", "x"], "network.zones[1]: 'x'", "is not one of the choices"),
    ("environments.0.network.nat_gateways", 3, "network.nat_gateways: 3", "is more than one for each zone"),
    (
        "environments.0.network.interface_endpoints",
        ["s4"],
        "interface_endpoints[0]: 's4'",
        "not one of the choices",
    ),
    ("services.0.name", "a_b", "services[0].name: 'a_b'", "is not a name"),
    ("services.0.paths", ["audio"], "services[0].paths[0]: 'audio'", "is not a path pattern"),
    ("services.0.paths", ["/../x"], "services[0].paths[0]: '/../x'", "no . or .. between slashes"),
    ("services.0.paths", ["/a/./*"], "services[0].paths[0]: '/a/./*'", "no . or .. between slashes"),
    ("services.0.paths", ["/a/.."], "services[0].paths[0]: '/a/..'", "no . or .. between slashes"),
    ("services.0.paths", [], "services[0].paths:", "nothing leads to carts-service"),
    (
        "services.0.paths",
        [f"/{n}" for n in range(6)],
        "services[0].paths:",
        "has too many entries: write at most 5",
    ),
    ("services.0.priority", 50_001, "services[0].priority: 50001", "less than or equal to 50000"),
    ("services.0.cpu", 300, "services[0].cpu: 300", "is not one of the choices: write 256, 512"),
    ("services.0.memory", 4096, "services[0].memory: 4096", "offers with cpu = 256: choose one of 512, 1024, 2048"),
    ("services.0.architecture", "riscv", "services[0].architecture: 'riscv'", "is not one of the choices"),
    ("services.0.port", 0, "services[0].port: 0", "greater than or equal to 1"),
    ("services.0.environment", {"PORT": "1"}, "services[0].environment:", "sets PORT, which the platform sets"),
    (
        "services.0.environment",
        {"AWS_REGION": "eu-west-3"},
        "services[0].environment:",
        'write "{region}", or remove it',
    ),
    ("services.0.environment", {"AWS_REGIONS": "{region}"}, "services[0].environment:", "sets AWS_REGIONS, which the"),
    ("services.0.environment", {"1A": "1"}, "services[0].environment.1A: '1A'", "not the name of an environment"),
    ("services.0.environment", {"A": 1}, "services[0].environment.A: 1", "is not text"),
    ("services.0.secrets", {"A": "a b"}, "services[0].secrets.A.secret: 'a b'", "is not the name of a secret"),
    ("services.0.secrets", {"A": "ssm:b/c"}, "services[0].secrets.A.parameter: 'b/c'", "a slash before each part"),
    (
        "services.0.secrets",
        {"A": "arn:aws:ssm:us-east-1:111111111111:parameter/b/c"},
        "services[0].secrets.A: 'arn:aws:ssm:us-east-1:111111111111:parameter/b/c' is not the ARN of a secret",
        'write "ssm:/b/c"',
    ),
    (
        "services.0.secrets",
        {"A": "arn:aws:s3:::b"},
        "services[0].secrets.A: 'arn:aws:s3:::b' is not the ARN of a secret",
        "write the secret's name, as in nova/token",
    ),
    ("services.0.targets.cpu_percent", 95, "targets.cpu_percent: 95", "less than or equal to 90"),
    ("services.0.targets.requests_per_minute", 0, "targets.requests_per_minute: 0", "greater than or equal to 1"),
    ("services.0.alarms.error_percent", 0, "alarms.error_percent: 0", "greater than 0"),
    ("services.0.alarms.min_requests", 0, "alarms.min_requests: 0", "greater than or equal to 1"),
    ("services.0.alarms.latency_ms", "fast", "alarms.latency_ms: 'fast'", "is not a whole number"),
    ("services.0.alarms.memory_percent", 101, "alarms.memory_percent: 101", "less than or equal to 100"),
]


@pytest.mark.parametrize(
    ("path", "value", "key", "fault"),
    BAD_VALUES,
)
def test_a_bad_value_is_one_line_with_the_key_the_value_and_the_remedy(
    raw: dict[str, Any], path: str, value: Any, key: str, fault: str
) -> None:
    [line] = faults(changed(raw, path, value))
    assert line.startswith("nova.toml: ")
    assert key in line
    assert fault in line


@pytest.mark.parametrize("name", ["internal", "aws", "awsome", "ssm-x"])
def test_a_prefix_that_aws_keeps_for_itself_is_refused(raw: dict[str, Any], name: str) -> None:
    raw["platform"]["name"] = name
    assert faults(raw) == [f"nova.toml: platform.name: '{name}' is a prefix that AWS reserves: choose another one"]


def test_a_domain_too_long_for_a_certificate_is_refused(raw: dict[str, Any]) -> None:
    raw["environments"][1]["domain"]["name"] = f"{'a' * 53}.example.com"
    [line] = faults(raw)
    assert line.startswith("nova.toml: environments[1].domain.name: ")
    assert line.endswith("is too long: write at most 64 characters")


def test_a_missing_section_is_named(raw: dict[str, Any]) -> None:
    del raw["toolchain"]
    assert faults(raw) == ["nova.toml: toolchain: is missing: add it"]


def test_a_variable_cannot_be_both_plain_and_secret(raw: dict[str, Any]) -> None:
    raw["services"][0] |= {"environment": {"TOKEN": "a"}, "secrets": {"TOKEN": "b"}}
    assert "sets TOKEN, which environment also sets" in faults(raw)[0]


def test_paths_are_ignored_only_with_a_connection(raw: dict[str, Any]) -> None:
    raw["source"] |= {"token_secret": "t", "ignore_paths": ["docs/**"]}
    del raw["source"]["connection_arn"]
    assert "which a token cannot filter by" in faults(raw)[0]


def test_all_faults_are_reported_at_once(raw: dict[str, Any]) -> None:
    changed(raw, "environments.0.region", "tokyo")
    changed(raw, "environments.2.approval", False)
    changed(raw, "services.0.memory", 7)
    changed(raw, "services.1.paths", ["/x"])
    changed(raw, "services.2.paths", ["/x"])
    text = "\n".join(faults(raw))
    for part in ("environments[0].region", "environments[2].approval", "services[0].memory", "services[2].paths"):
        assert part in text


def test_a_fault_of_an_environment_is_no_fault_of_what_names_it(raw: dict[str, Any]) -> None:
    name = raw["environments"][0]["name"]
    raw["services"][0]["environments"] = {name: {}, "elsewhere": {}}
    raw["environments"][0]["network"]["cidr"] = "10.0.0.0/40"
    assert [line.split(":")[1] for line in faults(raw)] == [
        " environments[0].network.cidr",
        " services[0].environments.elsewhere",
    ]
    raw["environments"][0]["name"] = 7
    assert not [line for line in faults(raw) if "is not an environment" in line]


def test_several_faults_of_one_entry_are_reported_at_once(raw: dict[str, Any]) -> None:
    changed(raw, "services.0.port", 0)
    changed(raw, "services.0.memory", 7)
    assert len(faults(raw)) == 2


@pytest.mark.parametrize("cpu", one_of_each(FARGATE_MEMORY_MIB))
def test_every_size_that_fargate_offers_is_accepted(raw: dict[str, Any], cpu: int) -> None:
    for memory in FARGATE_MEMORY_MIB[cpu]:
        raw["services"][0] |= {"cpu": cpu, "memory": memory}
        assert parse_config(raw).services[0].memory == memory


def test_the_regions_are_those_of_the_sdk() -> None:
    assert {"us-east-1", "ap-northeast-1", "eu-central-2", "cn-north-1"} <= aws_regions().keys()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[platform", "is not valid TOML"),
        (b'name = "\xff"', "is not UTF-8"),
        (None, "not found"),
        (b"a = " + b"[" * 5000, "nova.toml: is n"),
    ],
)
def test_an_unreadable_file_is_one_line(tmp_path: Path, content: bytes | None, fault: str) -> None:
    if content is not None:
        (tmp_path / "nova.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=fault) as raised:
        load_config(tmp_path)
    assert len(str(raised.value).splitlines()) == 1


def test_a_service_without_a_directory_and_a_directory_without_a_service_are_named(
    tmp_path: Path, service_names: list[str]
) -> None:
    (tmp_path / "nova.toml").write_text((Path(__file__).parents[1] / "nova.toml").read_text())
    for name in {*service_names, "mail-service"} - {"carts-service"}:
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "Dockerfile").touch()
    with pytest.raises(ConfigError) as raised:
        load_config(tmp_path)
    assert str(raised.value).splitlines() == [
        "nova.toml: services: 'carts-service' has no services/carts-service/Dockerfile: create it, name an image, or "
        "remove the entry",
        "nova.toml: services: services/mail-service has no entry: "
        'add [[services]] name = "mail-service", or remove the directory',
    ]


def test_what_builds_images_is_pinned_by_default() -> None:
    assert Images(**Images().model_dump()) == Images()


def test_what_builds_images_is_pinned_where_dependabot_looks(config: Config) -> None:
    import yaml

    root = Path(__file__).parents[3]
    text = (root / "nova_infra" / "config" / "builders.Dockerfile").read_text()
    assert f"FROM {config.images.buildkit} AS buildkit\n" in text
    assert f"FROM {config.images.sbom_generator} AS sbom_generator\n" in text
    assert f"FROM {config.images.scanner} AS scanner\n" in text
    [docker] = [
        each
        for each in yaml.safe_load((root / ".github" / "dependabot.yml").read_text())["updates"]
        if each["package-ecosystem"] == "docker"
    ]
    assert "/nova_infra/config" in docker["directories"]
