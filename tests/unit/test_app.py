import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from helpers.assembly import Assembly
from nova_infra.config import Config, parse_config
from nova_infra.errors import ConfigError
from nova_infra.images.tags import image_tags
from nova_infra.names import REVISION_OUTPUT
from nova_infra.operations.planner.blockers.cloudformation.identity import IDENTITIES

ROOT = Path(__file__).parents[2]


def load_entry_point() -> ModuleType:
    spec = importlib.util.spec_from_file_location("entry_point", ROOT / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_app(example: Path, context: dict[str, str], **environment: Any) -> subprocess.CompletedProcess[str]:
    """Run the entry point as the CDK CLI does."""
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=example,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CDK_CONTEXT_JSON": json.dumps(context), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_an_environment_the_registry_and_the_pipeline_are_synthesized(
    assembly: Assembly, service_names: list[str]
) -> None:
    assert set(assembly.templates) == {
        "NovaRegistryStack",
        "NovaPipelineStack",
        *(
            f"nova-{environment}-{stack}"
            for environment in ("dev", "staging", "prod")
            for stack in ("platform", "overview", *service_names)
        ),
    }


@pytest.mark.exhaustive(
    "test_only_the_task_definition_depends_on_the_image_tag_which_is_by_default_that_of_the_content"
)
def test_another_process_that_deploys_an_environment_alone_writes_the_same_templates_and_nothing_of_its_variables(
    example: Path,
    read_assembly: Callable[[Path], Assembly],
    tmp_path: Path,
    assembly: Assembly,
    service_names: list[str],
) -> None:
    """As `cdk deploy -c environment=staging` does: to the byte, and none of what its environment holds."""
    elsewhere = {"CDK_OUTDIR": str(tmp_path), "PYTHONHASHSEED": "1", "CDK_VALIDATION": "false"}  # found valid already
    secrets = dict.fromkeys(("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "API_TOKEN"), "NOVA-CANARY")
    result = run_app(example, {"environment": "staging", "imageTag": "abc123"}, **elsewhere, **secrets)
    assert (result.returncode, result.stderr) == (0, "")
    direct = read_assembly(tmp_path)
    assert set(direct.texts) == {f"nova-staging-{stack}" for stack in ("platform", "overview", *service_names)}
    assert direct.texts == {stack: assembly.texts[stack] for stack in direct.texts}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"NOVA-CANARY" in path.read_bytes()]


def test_services_deploy_side_by_side_after_the_platform_and_before_the_overview(
    assembly: Assembly, service_names: list[str]
) -> None:
    services = {f"nova-prod-{name}" for name in service_names}
    for service in services:
        assert assembly.order[service] == {"nova-prod-platform"}
    assert services <= assembly.order["nova-prod-overview"]


def test_every_image_has_the_given_tag(assembly: Assembly) -> None:
    for stack, template in assembly.templates.items():
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::ECS::TaskDefinition":
                [container] = resource["Properties"]["ContainerDefinitions"]
                assert json.dumps(container["Image"]).rstrip('"]}').endswith(":abc123"), stack


def test_a_services_stack_says_which_task_definition_it_made(assembly: Assembly) -> None:
    found = {stack: assembly.properties(stack, "AWS::ECS::Service") for stack in assembly.templates}
    services = {stack: service["TaskDefinition"] for stack, running in found.items() for service in running}
    assert len(services) == 12
    for stack, made in services.items():
        assert assembly.templates[stack]["Outputs"][REVISION_OUTPUT]["Value"] == made


def test_only_the_task_definition_depends_on_the_image_tag_which_is_by_default_that_of_the_content(
    raw: dict[str, Any], synthesize: Callable[..., Assembly], example: Path
) -> None:
    raw["services"] = raw["services"][:1]
    old, new = (synthesize(parse_config(raw), environment="dev", image_tag=tag) for tag in (None, "new"))
    changed = {
        (stack, key)
        for stack, template in old.templates.items()
        for key, resource in template["Resources"].items()
        if resource != new.templates[stack]["Resources"].get(key)
    }
    assert {old.templates[stack]["Resources"][key]["Type"] for stack, key in changed} == {"AWS::ECS::TaskDefinition"}
    assert f":{image_tags(example, parse_config(raw))['carts-service']}" in old.texts["nova-dev-carts-service"]


def test_canary_percentage_sets_the_share_of_canary_environments_only(app: ModuleType, config: Config) -> None:
    changed = app.with_canary_percentage(config, "25")
    assert [environment.rollout.percent for environment in changed.environments] == [10, 25, 25]


def test_a_canary_percentage_of_100_moves_everything_at_once_and_still_bakes(app: ModuleType, config: Config) -> None:
    rollout = app.with_canary_percentage(config, "100").environment("prod").rollout
    assert (rollout.strategy, rollout.bake_minutes) == ("blue-green", 9)


@pytest.mark.parametrize("value", ["", "0", "-1", "100.1", "ten", "nan", "inf"])
def test_a_canary_percentage_out_of_range_is_refused(app: ModuleType, config: Config, value: str) -> None:
    with pytest.raises(ConfigError, match=r"canaryPercentage: .* is not a share of traffic"):
        app.build_app(config, root=ROOT, canary_percentage=value)


@pytest.mark.parametrize("tag", ["", "a/b", ".a", "a b", "ü", "a" * 129])
def test_what_cannot_be_a_tag_is_refused(app: ModuleType, config: Config, tag: str) -> None:
    with pytest.raises(ConfigError, match=r"imageTag: .* is not an image tag"):
        app.build_app(config, root=ROOT, image_tag=tag)


@pytest.mark.parametrize("environment", ["", "qa", "Prod"])
def test_an_unknown_environment_is_refused(app: ModuleType, config: Config, environment: str) -> None:
    with pytest.raises(ConfigError, match="is not one of dev, staging, prod"):
        app.build_app(config, root=ROOT, environment=environment)


def test_the_command_line_tools_have_the_versions_of_package_json(app: ModuleType) -> None:
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    versions = app.read_tool_versions(ROOT)
    assert (versions.cdk.version, versions.cdk_assets.version) == (pinned["aws-cdk"], pinned["cdk-assets"])


def test_the_cdk_cli_is_one_that_reads_what_the_library_writes(app: ModuleType) -> None:
    """npm's latest is an accidental 3.0.0, which does not; the library needs 2.1148.0 or newer."""
    version = tuple(int(part) for part in app.read_tool_versions(ROOT).cdk.version.split("."))
    assert (2, 1148, 0) <= version < (3,)


def test_a_fault_in_the_configuration_ends_with_code_2_before_cdk_is_loaded(
    tmp_path: Path, service_names: list[str]
) -> None:
    (tmp_path / "app.py").write_text((ROOT / "app.py").read_text())
    (tmp_path / "nova.toml").write_text(
        Path(__file__).with_name("nova.toml").read_text().replace('"111111111111"', '"1"')
    )
    program = "import sys, app; code = app.main(); sys.exit(code if 'aws_cdk' not in sys.modules else 'CDK is loaded')"
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    first, *missing_services = result.stderr.splitlines()
    assert first.startswith("nova.toml: environments[0].account: '1' is not an AWS account: ")
    assert len(missing_services) == len(service_names)


@pytest.mark.exhaustive("test_a_fault_in_the_configuration_ends_with_code_2_before_cdk_is_loaded")
def test_the_entry_point_ends_with_code_2_and_one_line(example: Path) -> None:
    result = run_app(example, {"environment": "qa"})
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("environment: 'qa' is not one of ")
    assert line.endswith(": choose one of them, or add it to nova.toml")


@pytest.mark.parametrize(
    ("said", "place", "shown"),
    [
        ("TooManyResourcesInStack: 622 are more than 500", "services/desk/infrastructure.py", True),
        ("There is already a Construct with name 'A'", "services/desk/infrastructure.py", True),
        ("ValidationFailed: WARNING x", "nova_infra/app.py", True),
        ("There is already a Construct with name 'A'", "nova_infra/app.py", False),
    ],
)
def test_what_cdk_finds_in_a_services_file_is_said_without_a_traceback(
    said: str, place: str, shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from jsii.errors import JavaScriptError

    entry, names = load_entry_point(), {"JavaScriptError": JavaScriptError}
    exec(
        compile(
            f"\ndef synthesize(_):\n    raise RuntimeError({said!r}) from JavaScriptError('at x')", ROOT / place, "exec"
        ),
        names,
    )
    monkeypatch.setattr("nova_infra.config.load_config", lambda _: None)
    monkeypatch.setattr(entry, "synthesize", names["synthesize"])
    if shown:
        assert entry.main() == 1
        where = f"{place}:3: " if place.startswith("services") else ""
        assert capsys.readouterr().err == f"{where}{said}\n"
    else:
        with pytest.raises(RuntimeError):
            entry.main()


def test_another_share_of_traffic_also_holds_where_a_service_has_its_own_rollout(
    app: ModuleType, raw: dict[str, Any]
) -> None:
    from nova_infra.config import parse_config
    from nova_infra.config.resolved import resolved

    raw["services"][0]["rollout"] = {"percent": 20}
    raw["services"][1]["environments"] = {"prod": {"rollout": {"step_bake_minutes": 12}}}
    changed = app.with_canary_percentage(parse_config(raw), "3")
    for service in changed.services[:2]:
        for environment in changed.environments[1:]:
            assert resolved(service, environment).environment.rollout.percent == 3
    prod = resolved(changed.services[1], changed.environment("prod")).environment.rollout
    assert (prod.strategy, prod.step_bake_minutes) == ("canary", 12)


def in_the_way(template: dict[str, Any]) -> dict[str, str]:
    """What has a name of its own and stays when its creation is undone: the next attempt then finds the name taken."""
    return {
        key: resource["Type"]
        for key, resource in template["Resources"].items()
        if (identity := IDENTITIES.get(resource["Type"])) is not None
        and identity.properties[0] in resource.get("Properties", {})
        and resource.get("DeletionPolicy", "Delete") not in ("Delete", "RetainExceptOnCreate")
    }


@pytest.mark.parametrize("fixture", ["assembly", "variant", "github_assembly"])
def test_a_first_deployment_that_failed_can_be_repeated(request: pytest.FixtureRequest, fixture: str) -> None:
    """Aws/aws-cdk#5140: *already exists*. Whoever keeps data keeps it when it is replaced, too."""
    templates = request.getfixturevalue(fixture).templates
    found = {stack: found for stack, template in templates.items() if (found := in_the_way(template))}
    # GitHub's jobs deploy repositories with --import-existing-resources, and may delete none.
    adopted = {"NovaRegistryStack", "NovaEarlyRegistryStack"} if fixture == "github_assembly" else set()
    assert {kind for stack in adopted for kind in found.pop(stack, {}).values()} <= {"AWS::ECR::Repository"}
    assert found == {}
    kept = [
        (stack, key, resource.get("UpdateReplacePolicy"))
        for stack, template in templates.items()
        for key, resource in template["Resources"].items()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    ]
    assert len(kept) > 5
    assert [each for each in kept if each[2] != "Retain"] == []


@pytest.mark.parametrize(("policy", "found"), [("Retain", {"It": "AWS::SQS::Queue"}), ("RetainExceptOnCreate", {})])
def test_a_name_that_stays_taken_is_found(policy: str, found: dict[str, str]) -> None:
    queue = {"Type": "AWS::SQS::Queue", "DeletionPolicy": policy, "Properties": {"QueueName": "letters"}}
    nameless = {"Type": "AWS::SQS::Queue", "DeletionPolicy": policy, "Properties": {}}
    assert in_the_way({"Resources": {"It": queue, "Other": nameless}}) == found
