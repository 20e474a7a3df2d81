"""``nova services``, ``github``, ``deploy``, ``registry``, ``diff``, ``policy``: deliveries and their set-up."""

import json
from pathlib import Path

import click

from nova_infra.cli.built import SYNTHESIZED, built_assembly
from nova_infra.errors import CheckFailedError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list with each service's name and architecture.")
def services(as_json: bool) -> None:
    """List the services of nova.toml."""
    from nova_infra.config import load_config

    found = load_config(Path.cwd()).services
    if as_json:
        click.echo(json.dumps([{"name": each.name, "architecture": each.architecture} for each in found]))
    else:
        click.echo("\n".join(each.name for each in found))


@click.group()
def github() -> None:
    """Write the GitHub workflows and print their settings."""


@github.command("outputs")
@click.argument("environment", required=False)
@click.option("--branch", default="", help="The branch that the job runs for. Default: the delivered one.")
@click.option("--built", type=click.Path(path_type=Path, file_okay=False), help="Also print this assembly's digest.")
def github_outputs(environment: str | None, branch: str, built: Path | None) -> None:
    """Print the settings that a job needs, as name=value lines.

    Without ENVIRONMENT: the settings of jobs that build images. With it: those of the job that deploys there.
    """
    from nova_infra.assembly import digest_of_files
    from nova_infra.config import load_config
    from nova_infra.github import outputs

    known = outputs(load_config(Path.cwd()), environment, branch=branch)
    if built is not None:
        known["assembly"] = digest_of_files(built)
    click.echo("\n".join(f"{name}={value}" for name, value in known.items()))


@github.command("workflow")
@click.option("--write", is_flag=True, help="Write the workflows. Without it, only check them.")
def github_workflow(write: bool) -> None:
    """Check or write the workflows that follow from nova.toml.

    Each environment gets a job, in promotion order, and one for its tests. Without --write, exits with 1 if a workflow
    differs from what nova.toml asks for.
    """
    from nova_infra.config import load_config
    from nova_infra.scaffold.workflows import drift, write_workflows

    root = Path.cwd()
    config = load_config(root)
    if write:
        for path in write_workflows(root, config):
            click.echo(path)
    elif lines := drift(root, config):
        raise CheckFailedError("\n".join(lines))


@click.command()
@click.argument("environment")
@built_assembly
@click.option(
    "--outputs",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append url=…, the environment's base URL, to this file.",
)
def deploy(environment: str, assembly: Path | None, outputs: Path | None) -> None:
    """Deploy ENVIRONMENT from an assembly, as GitHub Actions does.

    Deploys the assembly, by default cdk.out, unchanged, and waits until every deployment has baked. Exits with 3 if a
    stack was not deployed.
    """
    from nova_infra.config import load_config
    from nova_infra.operations.release.deploy import deploy as deploy_environment

    url = deploy_environment(load_config(Path.cwd()), environment, assembly=assembly or Path("cdk.out"))
    click.echo(f"{environment} is deployed: {url}")
    if outputs is not None:
        with outputs.open("a", encoding="utf-8") as file:
            file.write(f"url={url}\n")


@click.command()
@SYNTHESIZED
@click.option("--early", is_flag=True, help="Those of the early branch.")
@click.option("--compare", is_flag=True, help="Only print changed=true or changed=false: whether any would change.")
def registry(assembly: Path, early: bool, compare: bool) -> None:
    """Deploy the image repositories from an assembly.

    GitHub Actions does so before it builds images. Exits with 3 if a stack was not deployed.
    """
    from nova_infra.config import load_config
    from nova_infra.operations.release.deploy import deploy_registry, registry_changes

    config = load_config(Path.cwd())
    if early and compare:
        raise click.UsageError("--compare: is for the repositories of releases: leave out --early")
    if not compare:
        deploy_registry(config, assembly=assembly, early=early)
        return
    from nova_infra.deployed.connect import toolchain_template

    changed = registry_changes(config, assembly=assembly, deployed=toolchain_template(config.toolchain.region))
    click.echo(f"changed={str(changed).lower()}")


@click.command()
@click.argument("before", type=click.Path(path_type=Path, file_okay=False))
@click.argument("after", type=click.Path(path_type=Path, file_okay=False), default=Path("cdk.out"))
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a pull request comment to this file.",
)
def diff(before: Path, after: Path, markdown: Path | None) -> None:
    """Show what changes from one assembly to another.

    Compares stack by stack and needs no credentials. Exits with 1 if access or the network becomes wider.
    """
    from nova_infra.operations.changes.review import WIDER, as_comment, changes, cost_difference

    found = changes(before, after)
    if markdown is not None:
        markdown.write_text(as_comment(found, cost_difference(before, after)), encoding="utf-8")
    for change in found:
        click.echo(f"{change.name}\n{change.text}\n")
    wider = [(change, each) for change in found for each in change.differences if each.kind in WIDER]
    if wider:
        raise CheckFailedError(
            "\n".join(
                f"{change.name}: {each.resource}: {each.kind}: {each.what}: a reviewer has to agree to it"
                for change, each in wider
            )
        )


@click.group()
def policy() -> None:
    """Print policies that follow from the templates."""


@policy.command("cloudformation")
@click.argument("account")
@SYNTHESIZED
def policy_cloudformation(account: str, assembly: Path) -> None:
    """Print what CloudFormation needs to deploy an assembly to ACCOUNT.

    Make a policy of it and pass its ARN to `cdk bootstrap --cloudformation-execution-policies`, which otherwise gives
    CloudFormation administrator access.
    """
    from nova_infra.assembly import Assembly
    from nova_infra.config import load_config
    from nova_infra.operations.release.execution_policy import execution_policy

    document = execution_policy(Assembly(assembly), account, platform=load_config(Path.cwd()).platform.name)
    click.echo(json.dumps(document, indent=2))


@policy.command("bootstrap")
@click.option("--toolchain", is_flag=True, help="For the pipeline's own account: with the permissions boundary.")
def policy_bootstrap(toolchain: bool) -> None:
    """Print CDK's bootstrap template, limited to the roles of this pipeline.

    Pass it to `cdk bootstrap --template`. Otherwise every role of the trusted account may deploy. With --toolchain, it
    keeps what that account's CloudFormation makes out of the environments.
    """
    from nova_infra.config import load_config
    from nova_infra.operations.release.bootstrap import bootstrap_template

    click.echo(json.dumps(bootstrap_template(load_config(Path.cwd()), toolchain=toolchain), indent=2))


COMMANDS = (services, github, deploy, registry, diff, policy)
