"""Two delivery engines, one set of environments: what each synthesizes, in which order, and whose images it takes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from helpers.assembly import Assembly
from nova_infra.config import parse_config

ROOT = Path(__file__).parents[2]


def environment_stacks(assembly: Assembly) -> dict[str, str]:
    return {name: text for name, text in assembly.texts.items() if name.startswith("nova-") and "github" not in name}


def test_both_engines_synthesize_the_same_environments_byte_for_byte_except_where_early_images_are(
    assembly: Assembly, github_assembly: Assembly, service_names: list[str]
) -> None:
    assert len(environment_stacks(assembly)) == 3 * len(["platform", *service_names, "overview"])
    released = {
        name: text.replace("nova-early/", "nova/") if name.startswith("nova-dev-") else text
        for name, text in environment_stacks(github_assembly).items()
    }
    assert released == environment_stacks(assembly)


def test_only_the_first_environment_pulls_from_the_early_branchs_repositories(
    github_assembly: Assembly, service_names: list[str]
) -> None:
    pulling = {
        name for name, text in environment_stacks(github_assembly).items() if "nova-early/" in text or "/nova/" in text
    }
    early = {name for name in pulling if "nova-early/" in github_assembly.texts[name]}
    assert early == {f"nova-dev-{each}" for each in (*service_names, "platform")}
    assert not {name for name in early if ":repository/nova/" in github_assembly.texts[name]}


def pulling_accounts(assembly: Assembly, stack: str) -> set[str]:
    policies = [each["RepositoryPolicyText"] for each in assembly.properties(stack, "AWS::ECR::Repository")]
    return {account for each in policies for account in re.findall(r"\d{12}", str(each))}


def test_each_registry_lets_in_the_accounts_of_its_environments_alone(
    assembly: Assembly, github_assembly: Assembly
) -> None:
    assert pulling_accounts(github_assembly, "NovaRegistryStack") == {"222222222222", "333333333333"}
    assert pulling_accounts(github_assembly, "NovaEarlyRegistryStack") == {"111111111111"}
    assert pulling_accounts(assembly, "NovaRegistryStack") == {"111111111111", "222222222222", "333333333333"}


def test_what_is_released_is_signed_when_it_is_pushed(assembly: Assembly, github_assembly: Assembly) -> None:
    for each in (assembly, github_assembly):
        [profile] = each.resources("NovaRegistryStack", "AWS::Signer::SigningProfile")
        [rule] = each.only("NovaRegistryStack", "AWS::ECR::SigningConfiguration")["Rules"]
        assert rule == {
            "SigningProfileArn": {"Fn::GetAtt": [profile, "Arn"]},
            "RepositoryFilters": [{"Filter": "nova/*", "FilterType": "WILDCARD_MATCH"}],
        }


def test_both_engines_deploy_the_stacks_in_the_same_order(assembly: Assembly, github_assembly: Assembly) -> None:
    for stack in environment_stacks(assembly):
        assert github_assembly.order[stack] == assembly.order[stack]


def test_only_the_chosen_engine_is_synthesized(assembly: Assembly, github_assembly: Assembly) -> None:
    def rest(each: Assembly) -> set[str]:
        names = {name.partition("-in-")[0] for name in each.texts}  # of GitHub's jobs, each account has one
        return names - set(environment_stacks(each)) - {"NovaRegistryStack"}

    assert rest(assembly) == {"NovaPipelineStack"}
    assert rest(github_assembly) == {"nova-github-actions", "NovaEarlyRegistryStack"}


@pytest.mark.exhaustive("test_both_engines_deploy_the_stacks_in_the_same_order")
def test_what_is_rehearsed_has_a_pipeline_whichever_engine_delivers(
    raw: dict[str, Any], tmp_path: Path, app: ModuleType, synthesize: Callable[..., Assembly]
) -> None:
    raw["environments"], raw["services"] = raw["environments"][:1], raw["services"][:1]
    delivered = synthesize(parse_config(raw))
    raw["delivery"]["engine"] = "github-actions"
    del raw["source"]["connection_arn"]
    rehearsed = app.build_app(parse_config(raw), root=ROOT, outdir=tmp_path, image_tag="abc123", rehearsed=True)
    pipeline = next(stack for stack in rehearsed.node.children if stack.node.id == "NovaPipelineStack")
    rehearsed.synth()
    text = (tmp_path / f"{pipeline.artifact_id}.template.json").read_text()
    assert json.loads(text)["Resources"].keys() == delivered.templates["NovaPipelineStack"]["Resources"].keys()
