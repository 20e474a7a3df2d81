"""``make emulate``: the real CDK CLI deploys this project to an emulator of AWS on this machine, and changes it.

moto's server takes the place of AWS. The CLI bootstraps the accounts, deploys the registry, the pipeline and the first
environment, to which a worker and a job are added where the project has none; then come a second release of a service
of each kind, the way back, and services that were removed. What the emulator cannot make is taken out of the templates
first. Both, what was taken out and what an emulator cannot show, are printed. A project with a pipeline is played a
second time as GitHub Actions would deliver it, in an emulator of its own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from emulated_project import by_each_engine, synthesize, with_every_kind
from emulated_server import server
from emulated_templates import makeable, set_image, write

from nova_infra.assembly import Assembly
from nova_infra.config import Config, load_config
from nova_infra.config.resolved import resolved
from nova_infra.names import REGISTRY_STACK, environment_prefix, stack_name

NOT_SHOWN = (
    "permissions, quotas, tasks, health, traffic, alarms, rollouts and what CloudFormation refuses: the emulator has "
    "none of these"
)


def main() -> int:
    """Play all of it by each engine; 1 where a step did not do what it should."""
    config = with_every_kind(load_config(Path.cwd()))
    began = time.monotonic()
    for each in by_each_engine(config):
        print(f"delivered by {each.delivery.engine}", flush=True)
        if not play(each):
            return 1
    print(f"not shown: {NOT_SHOWN}")
    print(f"{time.monotonic() - began:.0f} s")
    return 0


def play(config: Config) -> bool:
    """Deploy a project to an emulator of its own and change it; whether every step did what it should."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nova-emulate-") as directory, server(Path(directory)) as url:
        assembly = Path(directory, "assembly")
        synthesize(config, assembly)
        print(f"✓ synthesized ({time.monotonic() - began:.0f} s)", flush=True)
        emulation = Emulation(config, assembly, Path(directory), url)
        steps = (
            ("bootstrap", emulation.bootstrap),
            ("registry and what delivers", emulation.deploy_toolchain),
            (f"first release to {emulation.environment.name}", emulation.first_release),
            ("second release", emulation.second_release),
            ("rollback", emulation.roll_back),
            ("services removed", emulation.remove_services),
        )
        for name, step in steps:
            at = time.monotonic()
            try:
                said = step()
            except AssertionError as error:
                print(f"✗ {name}: {error}", file=sys.stderr)
                return False
            print(f"✓ {name}: {said} ({time.monotonic() - at:.0f} s)", flush=True)
        print(f"not deployed, because the emulator cannot make it: {emulation.stripped()}")
    return True


class Emulation:
    """The project's first environment and its toolchain in an emulator.

    Attributes:
        environment: The environment that is deployed.
    """

    def __init__(self, config: Config, assembly: Path, directory: Path, url: str) -> None:
        """Take an assembly.

        Args:
            directory: Where copies of it and the CLI's files go.
            url: Where the emulator answers.
        """
        self.environment = config.environments[0]
        self._config = config
        self._source = assembly
        self._directory = directory
        self._url = url
        self._prefix = environment_prefix(config.platform.name, self.environment.name)
        # One of each kind, whose images change and which are removed then.
        self._services = list({service.kind: service for service in reversed(config.services)}.values())
        self._counts: Counter[str] = Counter()

    def bootstrap(self) -> str:
        """CDK's bootstrap of both accounts; the pipeline keeps artifacts in every region that it delivers to."""
        from nova_infra.operations.release.bootstrap import bootstrap_template

        toolchain = self._config.toolchain
        places = {(toolchain.account, toolchain.region), (self.environment.account, self.environment.region)}
        if self._config.delivery.engine == "codepipeline":
            places |= {(toolchain.account, environment.region) for environment in self._config.environments}
        limited = self._directory / "bootstrap.json"
        if self._config.delivery.engine == "codepipeline":
            limited.write_text(json.dumps(bootstrap_template(self._config)), encoding="utf-8")

        def one(place: tuple[str, str]) -> None:
            account, region = place
            trust = [] if account == toolchain.account else [f"--trust={toolchain.account}"]
            if trust and limited.exists():
                trust.append(f"--template={limited}")  # what `nova policy bootstrap` prints
            policy = "--cloudformation-execution-policies=arn:aws:iam::aws:policy/AdministratorAccess"
            # An assembly, or the CLI would synthesize the app for its context.
            self._cdk(account, "bootstrap", f"--app={self._source}", f"aws://{account}/{region}", policy, *trust)

        with ThreadPoolExecutor() as pool:
            list(pool.map(one, places))
        return ", ".join(f"{account} {region}" for account, region in sorted(places))

    def deploy_toolchain(self) -> str:
        """The registry, and the pipeline where there is one: named alone, it has the registry deployed before."""
        self._deploy(self._prepared("first"), self._toolchain_stacks()[-1:])
        ecr = self._client("ecr", self._config.toolchain.account, self._config.toolchain.region)
        found = {each["repositoryName"] for each in ecr.describe_repositories()["repositories"]}
        wanted = {f"{self._config.platform.name}/{service.name}" for service in self._config.services}
        assert wanted <= found, f"no repository {', '.join(sorted(wanted - found))}"
        client = self._client("cloudformation", self._config.toolchain.account, self._config.toolchain.region)
        stacks = {each["StackName"]: each["StackStatus"] for each in client.describe_stacks()["Stacks"]}
        deployed = {each.name for each in Assembly(self._source).stacks() if each.artifact_id in self._delivering()}
        assert deployed, "the assembly has no stack of what delivers"
        assert deployed <= stacks.keys(), f"not deployed: {', '.join(sorted(deployed - stacks.keys()))}"
        return f"{len(wanted)} repositories, {' and '.join(sorted(deployed))}"

    def first_release(self) -> str:
        """The environment's stacks, by CDK's own roles in its account."""
        self._deploy(self._prepared("first"), [self._stage()])
        statuses = self._statuses()
        wanted = {stack_name(self._prefix, each.name) for each in self._config.services}
        assert wanted <= statuses.keys(), f"not deployed: {', '.join(sorted(wanted - statuses.keys()))}"
        assert set(statuses.values()) == {"CREATE_COMPLETE"}, statuses
        account, region = self.environment.account, self.environment.region
        queues = {url.rpartition("/")[2] for url in self._client("sqs", account, region).list_queues()["QueueUrls"]}
        assert self._queues() <= queues, f"no queue {', '.join(sorted(self._queues() - queues))}"
        found = self._client("stepfunctions", account, region).list_state_machines()["stateMachines"]
        jobs = {stack_name(self._prefix, each.name) for each in self._config.services if each.kind == "job"}
        assert jobs <= {each["name"] for each in found}, f"of {', '.join(sorted(jobs))} not all are state machines"
        return f"{len(statuses)} stacks, {len(self._queues())} queues, {len(jobs)} state machine{'s' * (len(jobs) > 1)}"

    def second_release(self) -> str:
        """Another image of a service of each kind: their stacks change, and no others."""
        before = self._statuses()
        self._deploy(self._prepared("second", tag="second"), [self._stage()])
        changed = {name for name, status in self._statuses().items() if status != before[name]}
        assert changed == self._stacks(), f"changed: {', '.join(sorted(changed))}"
        tags = {stack: self._tag(stack) for stack in changed}
        assert set(tags.values()) == {"second"}, f"they have the images {tags}"
        return f"{self._named()} have other images, and no other stack has changed"

    def roll_back(self) -> str:
        """The images before, by the change sets that ``nova rollback`` makes."""
        from nova_infra.operations.rollback.template import with_image

        environment = self._observed()
        for stack in sorted(self._stacks()):
            [deployed] = environment.stacks([stack])
            template = with_image(environment.template(stack), "first", stack=stack)
            change_set = environment.create_change_set(deployed, template, name="nova-emulated", description="emulated")
            assert environment.execute_change_set(change_set), f"the change set of {stack} was not executed"
            [ended] = environment.wait_for_stacks([stack])
            assert ended.status == "UPDATE_COMPLETE", f"{stack}: {ended.status}"
            assert self._tag(stack) == "first", f"{stack} has the image {self._tag(stack)}"
        return f"{self._named()} have the images of before"

    def remove_services(self) -> str:
        """A release without them: their stacks stay, and are named."""
        from nova_infra.operations.gates.orphans import orphans

        self._deploy(self._prepared("third", without=self._stacks()), [self._stage()])
        gone = self._stacks() - self._statuses().keys()
        assert not gone, f"the stacks {', '.join(sorted(gone))} are gone"
        left = [service.name for service in self._config.services if service not in self._services]
        found = {each.name for each in orphans(self._prefix, self._observed().stacks(), left)}
        assert found == self._stacks(), f"left over: {found}"
        return f"the stacks of {self._named()} stay, and are named"

    def _stacks(self) -> set[str]:
        """The stacks of the services that change."""
        return {stack_name(self._prefix, service.name) for service in self._services}

    def _named(self) -> str:
        return ", ".join(sorted(f"{service.name} ({service.kind})" for service in self._services))

    def _queues(self) -> set[str]:
        """The queues that workers' stacks make, by their names."""
        found = set()
        for service in self._config.services:
            own, stack = resolved(service, self.environment).service, stack_name(self._prefix, service.name)
            if own.queue is not None and not own.queue.existing:
                found |= set(own.queue.names(stack))
        return found

    def stripped(self) -> str:
        """What was taken out of the templates, by its type."""
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self._counts.items())) or "nothing"

    def _toolchain_stacks(self) -> list[str]:
        names = [stack.artifact_id for stack in Assembly(self._source).stacks()]
        return [name for name in (REGISTRY_STACK, "NovaPipelineStack") if name in names]

    def _delivering(self) -> set[str]:
        """The stacks of what delivers, by their ids: the pipeline, or the roles of GitHub's jobs."""
        account = self._config.toolchain.account
        return {"NovaPipelineStack" if self._has_pipeline() else f"NovaGitHubStack-{account}"}

    def _has_pipeline(self) -> bool:
        return self._config.delivery.engine == "codepipeline"

    def _stage(self) -> str:
        stage = self.environment.stage
        return f"NovaPipelineStack/{stage}/*" if self._config.delivery.engine == "codepipeline" else f"{stage}/*"

    def _prepared(self, name: str, *, tag: str = "first", without: Collection[str] = ()) -> Path:  # noqa: C901 - one pass over them
        """A copy of the assembly that the emulator can take, with images' tag and perhaps without stacks."""
        target = self._directory / name
        if target.exists():
            return target
        shutil.copytree(self._source, target)
        manifests = {path: json.loads(path.read_text(encoding="utf-8")) for path in target.rglob("manifest.json")}
        templates: dict[Path, dict[str, Any]] = {}
        deployed: set[Path] = set()
        for path, manifest in manifests.items():
            artifacts = manifest["artifacts"]
            stacks = {k: a for k, a in artifacts.items() if a["type"] == "aws:cloudformation:stack"}
            for key, artifact in stacks.items():
                if artifact["properties"].get("stackName", key) in without:
                    del artifacts[key]
                    continue
                file = path.parent / artifact["properties"]["templateFile"]
                templates[file] = json.loads(file.read_text(encoding="utf-8"))
                named = str(artifact["properties"].get("stackName", key))
                if named.startswith(f"{self._prefix}-") or named in self._toolchain_stacks():
                    deployed.add(file)
                if artifact["properties"].get("stackName") in self._stacks():
                    set_image(templates[file], tag)
            for artifact in artifacts.values():
                if "dependencies" in artifact:
                    artifact["dependencies"] = [d for d in artifact["dependencies"] if d in artifacts]
        made = makeable(templates)
        if name == "first":
            for file in deployed:
                resources = templates[file]["Resources"]
                lost = resources.keys() - made[file]["Resources"].keys()
                self._counts.update(resources[key]["Type"] for key in lost)
        for path, manifest in manifests.items():
            for artifact in manifest["artifacts"].values():
                if artifact["type"] == "aws:cloudformation:stack":
                    file = path.parent / artifact["properties"]["templateFile"]
                    write(file, made[file], artifact["properties"])
            path.write_text(json.dumps(manifest), encoding="utf-8")
        return target

    def _deploy(self, assembly: Path, stacks: list[str]) -> None:
        account = self._config.toolchain.account
        self._cdk(account, "deploy", f"--app={assembly}", *stacks, "--require-approval=never", "--method=direct")

    def _cdk(self, account: str, *arguments: str) -> None:
        environment = {**os.environ, **self._credentials(account), "CDK_HOME": str(self._directory / "cdk")}
        command = ["cdk", *arguments, "--ci", "--progress=events"]
        result = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        last = "\n".join(f"{result.stdout}\n{result.stderr}".strip().splitlines()[-12:])
        if result.returncode:
            log = (self._directory / "moto.log").read_text(encoding="utf-8", errors="replace")
            faults = [line for line in log.splitlines() if re.match(r"\w*(Error|Exception)\b", line)]
            emulator = f"\nthe emulator said: {faults[-1]}" if faults else ""
            raise AssertionError(f"cdk {arguments[0]} exited with {result.returncode}:\n{last}{emulator}")

    def _credentials(self, account: str) -> Mapping[str, str]:
        """Variables of somebody in an account; the emulator takes whoever a role's name says."""
        import boto3

        keys = {"aws_access_key_id": "emulated", "aws_secret_access_key": "emulated"}
        sts = boto3.client("sts", endpoint_url=self._url, region_name="us-east-1", **keys)
        role = f"arn:aws:iam::{account}:role/emulated"
        found = sts.assume_role(RoleArn=role, RoleSessionName="emulated")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
            "AWS_SESSION_TOKEN": found["SessionToken"],
            "AWS_REGION": self._config.toolchain.region,
            "AWS_ENDPOINT_URL": self._url,
            "AWS_ENDPOINT_URL_S3": self._url,
            # Where CloudFormation is told to read templates: moto takes the bucket from a path of this host alone.
            "AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION": self._url.replace("127.0.0.1", "localhost"),
        }

    def _client(self, service: str, account: str, region: str) -> Any:
        import boto3

        keys = self._credentials(account)
        return boto3.client(
            service,
            endpoint_url=self._url,
            region_name=region,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=keys["AWS_SESSION_TOKEN"],
        )

    def _observed(self) -> Any:
        """The environment as the commands see it."""
        from nova_infra.deployed.aws.client.session import sign_in
        from nova_infra.deployed.aws.environment import AwsEnvironment

        os.environ.update(self._credentials(self.environment.account))
        aws = sign_in(region=self.environment.region)
        return AwsEnvironment(self.environment.name, platform=self._config.platform.name, aws=aws)

    def _statuses(self) -> dict[str, str]:
        client = self._client("cloudformation", self.environment.account, self.environment.region)
        found = client.describe_stacks()["Stacks"]
        return {s["StackName"]: s["StackStatus"] for s in found if s["StackName"].startswith(f"{self._prefix}-")}

    def _tag(self, stack: str) -> str:
        """The tag of the image that a service's stack was last deployed with."""
        from nova_infra.operations.rollback.template import image_of

        return str(image_of(self._observed().template(stack), stack=stack)).rpartition(":")[2].rstrip('"}]')


if __name__ == "__main__":
    sys.exit(main())
