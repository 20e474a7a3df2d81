"""Which assets are published before an approval, which after it, and by what."""

import base64
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers.assembly import Assembly, read_assembly
from helpers.delivery_pipeline import ROOT, STACK, commands, pipeline, project, stage
from helpers.exhaustive import one_of_each
from nova_infra.app import build_app
from nova_infra.checks.permissions.reach import Graph
from nova_infra.checks.permissions.statements import allowing
from nova_infra.checks.rule import Template
from nova_infra.checks.rules import findings
from nova_infra.config import parse_config
from nova_infra.constructs.pipeline.built_assembly import refuse_another

EXAMPLE = ROOT / "tests/unit/nova.toml"
Change = Callable[[dict[str, Any], dict[str, Any]], list[dict[str, Any]]]


def made_of(example: Path, place: Path, change: Change) -> Assembly:
    """The environments that become of the first and the last one, and a service with assets of its own."""
    shutil.copytree(example, place / "example")
    raw = tomllib.loads(EXAMPLE.read_text())
    raw["environments"] = change(raw["environments"][0], raw["environments"][-1])
    raw["services"] = raw["services"][:1]
    own = place / "example" / "services" / raw["services"][0]["name"]
    (own / "code").mkdir(parents=True, exist_ok=True)
    (own / "code" / "Dockerfile").write_text("FROM scratch")
    (own / "infrastructure.py").write_text(
        "from pathlib import Path\nfrom aws_cdk import aws_ecr_assets, aws_s3_assets\n\n"
        "def resources(service):\n"
        "    code = Path(__file__).with_name('code')\n"
        "    aws_s3_assets.Asset(service.stack, 'Code', path=str(code))\n"
        "    aws_ecr_assets.DockerImageAsset(service.stack, 'Image', directory=str(code))\n"
    )
    build_app(parse_config(raw), root=place / "example", outdir=place / "cdk.out", image_tag="abc123").synth()
    return read_assembly(place / "cdk.out")


@pytest.fixture(scope="module")
def with_assets(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """Two environments, of which the later one waits for an approval."""
    return made_of(example, tmp_path_factory.mktemp("assets"), lambda first, last: [first, last])


@dataclass
class Published:
    """Runs the last command of steps where ``cdk-assets`` writes down what it is asked for."""

    made: Assembly
    place: Path

    def by(self, action: dict[str, Any], directory: Path | None = None) -> list[str] | None:
        """The destinations that a step publishes to; None where it refuses."""
        said = self.place / "said"
        said.write_text("")
        (self.place / "cdk-assets").write_text(f'#!/bin/sh\necho "$@" >> {said}\n')
        (self.place / "cdk-assets").chmod(0o755)
        environment = {
            "PATH": f"{self.place}:{os.environ['PATH']}",
            "CODEBUILD_SRC_DIR": str(directory or self.made.directory),
        }
        command = ["bash", "-c", commands(self.made, action)[-1]]
        ended = subprocess.run(command, env=environment, check=False, cwd=self.place, capture_output=True)
        found = said.read_text().splitlines()
        wanted = r"--path assembly-\S+\.assets\.json --verbose publish [0-9a-f]{64}:(\d{12}-[a-z]+-[a-z]+-\d)(?:-\S+)?"
        told = [known[1] for each in found if (known := re.fullmatch(wanted, each))]
        assert len(told) == len(found)
        return told if ended.returncode == 0 else None


def test_what_publishes_assets_refuses_another_assembly_and_asks_for_the_tool_of_the_lock(
    with_assets: Assembly,
) -> None:
    [publish] = [each for each in stage(with_assets, "Prod")["Actions"] if each["Name"] == "Publish"]
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]["node_modules/cdk-assets"]
    digest = base64.b64decode(locked["integrity"].removeprefix("sha512-")).hex()
    for action in (*stage(with_assets, "Assets")["Actions"], publish):
        refuse, *_, checked, install, _ = commands(with_assets, action)
        assert refuse == refuse_another("$CODEBUILD_SRC_DIR")
        assert action["InputArtifacts"] == [{"Name": "Synth_Output"}]
        variables = json.loads(action["Configuration"]["EnvironmentVariables"])
        assert {"name": "ASSEMBLY", "type": "PLAINTEXT", "value": "#{Compare.ASSEMBLY}"} in variables
        file = f"/tmp/cdk-assets-{locked['version']}.tgz"
        assert checked.startswith(f'echo "{digest}  {file}" | sha512sum --check --quiet || ')
        assert install == f"npm install -g --offline {file}"


def test_assets_of_an_environment_that_waits_for_an_approval_are_published_after_it(
    with_assets: Assembly, tmp_path: Path
) -> None:
    names = [each["Name"] for each in pipeline(with_assets)["Stages"]]
    assert names.index("Assets") < names.index("ApproveProduction") < names.index("Prod")
    published, assets = Published(with_assets, tmp_path), stage(with_assets, "Assets")["Actions"]
    assert [published.by(each) for each in assets] == 2 * [["111111111111-us-east-1"]]
    actions = {each["Name"]: each for each in stage(with_assets, "Prod")["Actions"]}
    assert published.by(actions["Publish"]) == 2 * ["333333333333-us-east-1"]
    assert project(with_assets, actions["Publish"])["Environment"]["PrivilegedMode"] is True, "it builds an image"
    deployed = [each["RunOrder"] for name, each in actions.items() if name.endswith(".Deploy")]
    assert actions["Preflight"]["RunOrder"] < actions["Publish"]["RunOrder"] < min(deployed)


def test_no_step_before_the_approval_may_publish_to_the_account_behind_it(with_assets: Assembly) -> None:
    """Not even where the assembly has it ask for that under another account's name."""
    graph = Graph(Template(with_assets.templates[STACK]["Resources"], "444444444444"))
    actions = [(each["Name"], action) for each in pipeline(with_assets)["Stages"] for action in each["Actions"]]
    may: dict[str, set[str]] = {}
    for at, action in actions:
        if action["ActionTypeId"]["Category"] == "Build":
            role = project(with_assets, action)["ServiceRole"]["Fn::GetAtt"][0]
            for kind in ("file", "image"):
                for account in ("111111111111", "333333333333"):
                    name = f"cdk-hnb659fds-{kind}-publishing-role-{account}-us-east-1"
                    arn = f"arn:aws:iam::{account}:role/{name}"
                    if allowing(graph.statements(role), "sts:AssumeRole", arn):
                        may.setdefault(account, set()).add(at)
    assert may == {"111111111111": {"Assets"}, "333333333333": {"Prod"}}


def test_a_step_that_publishes_runs_nothing_that_a_list_says(with_assets: Assembly, tmp_path: Path) -> None:
    """CDK's own projects run whatever a file in the assembly says."""
    directory = tmp_path / "cdk.out"
    shutil.copytree(with_assets.directory, directory)
    action = stage(with_assets, "Assets")["Actions"][1]
    [listed] = directory.glob("buildspec-*-FileAsset.yaml")
    for added in ("touch ran", 'cdk-assets --path "x" --verbose publish "y"; touch ran'):
        spec = json.loads(listed.read_text())
        spec["phases"]["build"]["commands"] = [added]
        listed.write_text(json.dumps(spec))
        assert Published(with_assets, tmp_path).by(action, directory) is None
    assert not (tmp_path / "ran").exists()
    assert not (directory / "ran").exists()


def test_a_role_that_may_publish_behind_the_approval_is_a_finding(with_assets: Assembly) -> None:
    """CDK gives the role that publishes everything before anybody approves."""
    assert found_without_denials(with_assets) == {"NOVA-P06"}


def found_without_denials(made: Assembly) -> set[str]:
    """The rules that a pipeline's template breaks only if CDK's own steps may publish whatever CDK lets them."""
    template = made.template(STACK)
    assert findings(template, account="444444444444") == []
    for each in template["Resources"].values():
        if each["Type"] == "AWS::IAM::Policy" and "PipelineAssets" in json.dumps(each["Properties"]["Roles"]):
            held = each["Properties"]["PolicyDocument"]["Statement"]
            held[:] = [statement for statement in held if statement["Effect"] == "Allow"]
    return {rule.id for rule, _ in findings(template, account="444444444444")}


@pytest.mark.parametrize(
    ("first_account", "account"),
    one_of_each(
        [
            *(("444444444444", "333333333333"), ("111111111111", "333333333333")),
            *(("111111111111", "111111111111"), ("444444444444", "444444444444")),
        ]
    ),
)
def test_environments_that_share_an_account_publish_what_is_theirs(
    first_account: str, account: str, example: Path, tmp_path: Path
) -> None:
    """The toolchain's, too. Where they share the region as well, they have a bucket in common: nobody can tell more."""

    def changed(first: dict[str, Any], last: dict[str, Any]) -> list[dict[str, Any]]:
        shared = {"account": account, "shared_account": "the same people run both"}
        other = {
            "network": {"cidr": "10.40.0.0/16"},
            "domain": {"name": "us.nova.example.com", "zone_id": "Z00000000000000WEST"},
        }
        west = last | shared | other | {"name": "west", "region": "us-west-2"}
        east = last | {"tests": "e2e"} | (shared if first_account == account else {"account": account})
        return [first | {"account": first_account}, east, west]

    made = made_of(example, tmp_path, changed)
    published = Published(made, tmp_path)
    told: dict[str, list[str]] = {}
    for each in pipeline(made)["Stages"]:
        actions = [action for action in each["Actions"] if each["Name"] == "Assets" or action["Name"] == "Publish"]
        told |= {each["Name"]: [place for action in actions for place in published.by(action) or ()]} if actions else {}
    east = [] if first_account == account else 2 * [f"{account}-us-east-1"]
    assert told == {"Assets": 2 * [f"{first_account}-us-east-1"], "Prod": east, "West": 2 * [f"{account}-us-west-2"]}
    assert found_without_denials(made) == {"NOVA-P06"}, "what is behind the approval in another region, too"
