"""What Copilot's manifests become, and what is said of bad ones."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from helpers.examples import bomb
from nova_infra.cli.main import nova
from nova_infra.config import parse_config
from nova_infra.errors import NovaError
from nova_infra.scaffold.copilot.project import import_copilot
from nova_infra.scaffold.copilot.reading.values import filled_in, schedule, seconds

from .conftest import API, Write

WORKER = {
    "name": "analyzer",
    "type": "Worker Service",
    "image": {"build": "./analyzer/Dockerfile"},
    "subscribe": {"queue": {"timeout": "35s", "dead_letter": {"tries": 7}}},
    "count": {"range": "2-9", "queue_delay": {"acceptable_latency": "4m", "msg_processing_time": "500ms"}},
}
JOB = {
    "name": "report",
    "type": "Scheduled Job",
    "image": {"location": "public.ecr.aws/acme/report:1.2"},
    "on": {"schedule": "0 6 * * 1"},
    "timeout": "1h30m",
}


def read(directory: Path, **options: Any) -> dict[str, Any]:
    return tomllib.loads(import_copilot(directory, **options).text)


def test_a_worker_keeps_its_queue(write: Write) -> None:
    [service] = read(write(analyzer=WORKER))["services"]
    assert service["kind"] == "worker"
    assert service["queue"] == {"tries": 7, "visibility_seconds": 35, "messages_per_task": 480, "oldest_seconds": 240}
    assert service["scaling"] == {"min_tasks": 2, "max_tasks": 9}


@pytest.mark.parametrize("fifo", [True, {"content_based_deduplication": True}])
def test_a_worker_of_ordered_messages_stays_one_and_what_sqs_would_do_besides_is_said(write: Write, fifo: Any) -> None:
    text = import_copilot(write(analyzer={**WORKER, "subscribe": {"queue": {"fifo": fifo}}})).text
    [service] = tomllib.loads(text)["services"]
    assert service["queue"]["fifo"] is True
    assert ("subscribe.queue.fifo.content_based_deduplication = true" in text) is isinstance(fifo, dict)


def test_what_a_service_is_not_the_same_without_is_still_to_change(write: Write, tmp_path: Path) -> None:
    """Its comment alone would be missed: without its image, it would be built from a directory that is not there."""
    tagged = {**API, "image": {"location": "ghcr.io/acme/api:2.3", "port": 8081}}
    places = {f"environments__{name}": {"name": name, "type": "Environment"} for name in ("prod", "test")}
    directory = write(api=tagged, **places)
    output = tmp_path / "made.toml"
    result = CliRunner().invoke(nova, ["import", "copilot", str(directory), "--output", str(output)])
    assert result.exit_code == 1
    [line] = [line for line in result.output.splitlines() if line.startswith("still to change: ")]
    assert line.startswith("still to change: nova.toml: services[0].image: 'ghcr.io/acme/api:2.3' is a tag, which may")
    parse_config(tomllib.loads(output.read_text()))


def test_a_job_keeps_its_time(write: Write) -> None:
    [service] = read(write(report=JOB))["services"]
    assert (service["kind"], service["schedule"], service["timeout_seconds"]) == ("job", "cron(0 6 ? * MON *)", 5400)


def test_a_repository_that_no_delivery_reads_from_does_not_count_as_one(write: Write) -> None:
    address = "https://us-east-1.console.aws.amazon.com/codesuite/codecommit/repositories/shop/browse"
    source = {"provider": "CodeCommit", "properties": {"branch": "main", "repository": address}}
    made = import_copilot(write(api=API, pipelines__release={"name": "release", "source": source, "stages": []}))
    assert tomllib.loads(made.text)["source"]["repository"].startswith("org/")
    assert "source.provider = 'CodeCommit'" in made.text
    assert "codesuite/codecommit" not in tomllib.loads(made.text)["source"]["repository"]


def test_a_job_that_somebody_starts_stays_one(write: Write) -> None:
    by_hand = {**JOB, "name": "by-hand", "on": {"schedule": "none"}}
    held = {**JOB, "environments": {"test": {"on": {"schedule": "none"}}}}
    made = write(**{"by-hand": by_hand, "report": held, "environments__test": {"name": "test", "type": "Environment"}})
    services = {each["name"]: each for each in read(made)["services"]}
    assert services["by-hand"]["schedule"] == "none"
    assert services["report"]["environments"]["test"]["schedule"] == "none"


def test_the_login_of_a_private_registry_is_kept(write: Write) -> None:
    secret = "arn:aws:secretsmanager:us-east-1:111111111111:secret:ghcr-Ab12cd"
    digest = f"@sha256:{'a' * 64}"
    sidecars = {
        "log": {"image": f"ghcr.io/acme/log{digest}", "credentialsParameter": secret},
        "trace": {"image": {"location": f"ghcr.io/acme/trace{digest}", "credentials": secret}},
    }
    job = {**JOB, "image": {"location": f"ghcr.io/acme/report{digest}", "credentials": secret}, "sidecars": sidecars}
    made = write(report=job)
    [service] = read(made)["services"]
    assert service["credentials"] == secret
    assert "image.credentials = 'arn:aws:secretsmanager:" in import_copilot(made).text
    assert [each["credentials"] for each in service["sidecars"]] == [secret, secret]


def test_a_service_takes_its_path_and_what_is_below_it(write: Write) -> None:
    root = {**API, "name": "root", "http": {"path": "/"}}
    services = {each["name"]: each for each in read(write(api=API, root=root))["services"]}
    assert services["api"]["paths"] == ["/api", "/api/*"]
    assert services["root"]["paths"] == ["/*"]


def test_environments_follow_the_pipeline_and_are_overridden(write: Write) -> None:
    pipeline = {
        "name": "release",
        "source": {
            "provider": "GitHub",
            "properties": {"repository": "https://github.com/acme/shop.git", "branch": "trunk"},
        },
        "stages": [{"name": "zeta"}, {"name": "beta"}],
    }
    api = {
        **API,
        "variables": {"LEVEL": "info"},
        "environments": {"beta": {"count": 4, "variables": {"LEVEL": "warn"}}},
    }
    data = read(
        write(api=api, pipelines__release=pipeline), accounts={"beta": "900000000001"}, regions={"": "eu-west-1"}
    )
    assert [environment["name"] for environment in data["environments"]] == ["zeta", "beta"]
    assert data["environments"][1]["account"] == "900000000001"
    assert data["environments"][0]["region"] == "eu-west-1"
    assert data["source"] == {
        "repository": "acme/shop", "branch": "trunk", "connection_arn": data["source"]["connection_arn"],
    }  # fmt: skip
    assert data["services"][0]["environments"] == {
        "beta": {"scaling": {"min_tasks": 4, "max_tasks": 4}, "environment": {"LEVEL": "warn"}}
    }


def test_environments_of_one_range_are_given_ranges_of_their_own(write: Write) -> None:
    environment = {"type": "Environment", "network": {"vpc": {"cidr": "10.0.0.0/16"}}}
    data = read(
        write(
            api=API,
            environments__test={**environment, "name": "test"},
            environments__prod={**environment, "name": "prod"},
        )
    )
    assert [each["network"]["cidr"] for each in data["environments"]] == ["10.0.0.0/16", "10.10.0.0/16"]


def test_a_host_name_leads_to_the_last_environment(write: Write) -> None:
    api = {**API, "http": {"path": "api", "alias": "www.example.com", "hosted_zone": "Z0123456789"}}
    found = import_copilot(
        write(
            api=api,
            environments__test={"name": "test", "type": "Environment"},
            environments__prod={"name": "prod", "type": "Environment"},
        )
    )
    data = tomllib.loads(found.text)
    assert data["environments"][1]["domain"] == {"name": "www.example.com", "zone_id": "Z0123456789"}
    assert "hosts" not in data["services"][0]
    assert data["services"][0]["environments"]["prod"]["hosts"] == ["www.example.com"]
    assert found.refused == ()


def test_a_host_name_leads_to_the_environment_that_has_none_of_its_own(write: Write) -> None:
    api = {
        **API,
        "http": {"path": "api", "alias": "shop.example.com", "hosted_zone": "Z0123456789"},
        "environments": {"prod": {"http": {"alias": "www.example.com"}}},
    }
    found = import_copilot(
        write(
            api=api,
            environments__test={"name": "test", "type": "Environment"},
            environments__prod={"name": "prod", "type": "Environment"},
        )
    )
    data = tomllib.loads(found.text)
    assert [each["domain"]["name"] for each in data["environments"]] == ["shop.example.com", "www.example.com"]
    assert {name: each["hosts"] for name, each in data["services"][0]["environments"].items()} == {
        "test": ["shop.example.com"],
        "prod": ["www.example.com"],
    }
    assert found.refused == ()


@pytest.mark.parametrize(
    ("count", "test", "prod"),
    [
        (1, {"min_tasks": 1, "max_tasks": 1}, {"spot": {"percent": 100, "base": 3}}),
        ({"range": "1-3"}, {"min_tasks": 1, "max_tasks": 3}, {"spot": {"percent": 100, "base": 3}}),
        ({"spot": 5}, {"min_tasks": 5, "max_tasks": 5, "spot": {"percent": 100, "base": 0}},
         {"spot": {"percent": 100, "base": 3}}),
        ({"range": {"min": 6, "max": 7}}, {"min_tasks": 6, "max_tasks": 7}, None),
    ],
)  # fmt: skip
def test_a_count_of_an_environment_takes_the_place_of_the_services_spot(
    write: Write, count: object, test: dict[str, Any], prod: dict[str, Any] | None
) -> None:
    api = {
        **API,
        "count": {"range": {"min": 4, "max": 9, "spot_from": 4}},
        "environments": {"test": {"count": count}},
    }
    environments = {f"environments__{name}": {"name": name, "type": "Environment"} for name in ("test", "prod")}
    found = import_copilot(write(api=api, **environments))
    [service] = tomllib.loads(found.text)["services"]
    assert service["environments"]["test"]["scaling"] == test
    assert service["environments"].get("prod", {}).get("scaling") == prod
    assert ("spot" in service["scaling"]) is (prod is None)
    assert found.refused == ()


def test_account_and_region_are_those_of_the_certificates_or_of_the_subnets_zones(write: Write) -> None:
    certificate = "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    subnets = {"public": [{"cidr": "10.0.0.0/24", "az": "ap-southeast-2a"}, {"az": "ap-southeast-2c"}]}
    manifests: dict[str, Any] = {
        "api": API,
        "environments__dev": {"name": "dev", "type": "Environment"},
        "environments__test": {"name": "test", "type": "Environment", "network": {"vpc": {"subnets": subnets}}},
        "environments__prod": {
            "name": "prod", "type": "Environment", "http": {"public": {"certificates": [certificate]}},
        },
    }  # fmt: skip
    made = import_copilot(write(**manifests))
    _, test, prod = tomllib.loads(made.text)["environments"]
    assert (test["region"], prod["region"], prod["account"]) == ("ap-southeast-2", "eu-central-1", "123456789012")
    assert made.text.count("TODO the region of this environment") == 1
    assert made.text.count("TODO the account of this environment") == 2
    given = read(write(**manifests), regions={"": "us-west-2", "prod": "eu-west-1"}, accounts={"prod": "900000000001"})
    assert [each["region"] for each in given["environments"]] == ["us-west-2", "ap-southeast-2", "eu-west-1"]
    assert given["environments"][2]["account"] == "900000000001"


BACKEND = {**API, "type": "Backend Service", "http": {"path": "api", "alias": "api.example.com"}}
PRIVATE = {
    **API,
    "type": "Request-Driven Web Service",
    "http": {"alias": "api.example.com", "private": {"endpoint": "vpce-1"}},
    "environments": {"prod": {"http": {"alias": "api.example.org"}}},
}


@pytest.mark.parametrize("private", [BACKEND, PRIVATE])
def test_what_only_siblings_reach_stays_internal_whatever_its_names(write: Write, private: dict[str, Any]) -> None:
    made = import_copilot(write(api=private, environments__prod={"name": "prod", "type": "Environment"}))
    [service] = tomllib.loads(made.text)["services"]
    assert service["internal"] is True
    assert "hosts" not in service
    assert "environments" not in service
    assert made.text.count("siblings call an `internal` service") == 1 + ("environments" in private)
    assert made.refused == ()


def test_a_comment_shows_a_value_as_it_is_in_the_manifest(write: Write) -> None:
    policy = {"PolicyDocument": {"Version": date(2012, 10, 17)}}
    pipeline = {"name": "release", "build": {"additional_policy": policy}, "stages": []}
    made = import_copilot(write(api={**API, "network": {"connect": True}}, pipelines__release=pipeline))
    assert "network.connect = true" in made.text
    assert "PolicyDocument.Version = 2012-10-17" in made.text


def test_comments_are_counted_not_their_lines(write: Write) -> None:
    made = import_copilot(write(api={**API, "http": {"path": "api", "stickiness": True}, "network": {"connect": True}}))
    assert made.unanswered == sum(
        text in made.text for text in ("stickiness = true", "connect = true", "becomes read-")
    )


def test_a_network_that_exists_is_named_by_id(write: Write) -> None:
    ids = [f"subnet-0123456789abcdef{number}" for number in range(6)]
    subnets = {"public": [{"id": each} for each in ids[:3]], "private": [{"id": each} for each in ids[3:]]}
    vpc = {"id": "vpc-0123456789abcdef0", "subnets": subnets}
    found = import_copilot(
        write(api=API, environments__prod={"name": "prod", "type": "Environment", "network": {"vpc": vpc}})
    )
    [environment] = tomllib.loads(found.text)["environments"]
    assert environment["network"]["vpc"] == "vpc-0123456789abcdef0"
    assert environment["network"]["private_subnets"] == ids[3:]
    assert "# TODO the range of vpc-0123456789abcdef0" in found.text
    assert found.refused == ()


def test_what_is_written_loads(write: Write) -> None:
    found = import_copilot(write(api=API, analyzer=WORKER, report=JOB))
    assert found.refused == ()
    assert [service.kind for service in parse_config(tomllib.loads(found.text)).services] == ["worker", "web", "job"]


@pytest.mark.parametrize(
    ("manifest", "line", "reason"),
    [
        ("name: api\ntype: Load Balanced\n", 2, "'Load Balanced' is not a type of Copilot's"),
        ("type: Backend Service\n", 1, "name: is missing"),
        ("name: api\ntype: Backend Service\nimage: {build: .}\ncpu: much\n", 4, "'much' is not a whole number"),
        ("name: api\ntype: Backend Service\nname: other\n", 3, "'name' is given twice"),
        ("name: api\ntype: Backend Service\nimage:\n\tbuild: .\n", 4, "is not valid YAML"),
        ("- name\n", 1, "is not a map of keys"),
        ("", 1, "is not a map of keys"),
        ("name: api\ntype: Scheduled Job\nimage: {build: .}\non:\n  schedule: '@sometimes'\n", 5, "is neither rate"),
        ("name: api\ntype: Scheduled Job\nimage: {build: .}\non:\n  schedule: '1 2 3 4 5'\n", 5, "names both a day"),
        ("name: api\ntype: Worker Service\nimage: {build: .}\ncount: {range: 9-2}\n", 4, "is not a range of tasks"),
        ("name: api\ntype: Worker Service\ncpu: 256\n", 1, "image: is missing"),
        ("name: api\ntype: Backend Service\nimage: {build: .}\nvariables: [a]\n", 4, "is not a map"),
        ("name: &a\n  - *a\ntype: Backend Service\n", 1, "has more than 100000 values once"),
        (f"name: api\ntype: Backend Service\nvariables: {'[' * 3000}{']' * 3000}", 1, "is nested too deeply"),
        (f"name: api\ntype: Backend Service\n{bomb('{<<: [*a, *a, *a], b: 1}')}", 1, "more than 100000 values"),
        ("name: api\ntype: Backend Service\nimage: {build: ., port: 81}\nhttp: {path: a, version: h3}\n", 4, "'h3' is"),
    ],
)  # fmt: skip
def test_a_bad_manifest_is_named_with_line_and_reason(write: Write, manifest: str, line: int, reason: str) -> None:
    with pytest.raises(NovaError) as error:
        import_copilot(write(api=manifest))
    assert f"copilot/api/manifest.yml:{line}:" in str(error.value)
    assert reason in str(error.value)


def test_all_faults_are_reported_at_once(write: Write) -> None:
    bad = {**API, "cpu": "much", "count": "many", "http": {"path": 7}}
    with pytest.raises(NovaError) as error:
        import_copilot(write(api=bad, other="name: [\n"))
    assert len(str(error.value).splitlines()) == 1  # what is no YAML is reported first
    with pytest.raises(NovaError) as error:
        import_copilot(write(api=bad, other={**WORKER, "count": {"range": "x"}}))
    assert len(str(error.value).splitlines()) == 4


def test_a_file_that_exists_is_left_alone(write: Write, tmp_path: Path) -> None:
    directory = write(api=API)
    output = tmp_path / "nova.toml"
    output.write_text("mine")
    runner = CliRunner()
    result = runner.invoke(nova, ["import", "copilot", str(directory), "--output", str(output)])
    assert isinstance(result.exception, NovaError)
    assert output.read_text() == "mine"
    result = runner.invoke(nova, ["import", "copilot", str(directory), "--output", str(output), "--force"])
    assert (result.exit_code, output.read_text()[:10]) == (0, "#:schema d")


def test_spans_of_time_names_and_schedules() -> None:
    assert (seconds("1h30m"), seconds("250ms"), seconds("2d")) == (5400, 0.25, 172_800)
    assert filled_in("${COPILOT_APPLICATION_NAME}/${COPILOT_ENVIRONMENT_NAME}", "shop") == "shop/{environment}"
    with pytest.raises(ValueError, match="TAG"):
        filled_in("${TAG}", "shop")
    assert (schedule("@weekly"), schedule("@every 1h")) == ("cron(0 0 ? * 1 *)", "rate(60 minutes)")
