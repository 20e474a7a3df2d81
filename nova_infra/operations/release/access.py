"""Who can do what before and after the approval, by ``nova.toml`` and the templates of an assembly."""

from nova_infra.assembly import Assembly
from nova_infra.checks.permissions.access.page import page
from nova_infra.checks.permissions.access.reading import Production
from nova_infra.checks.rule import Template
from nova_infra.checks.stages import Promotion, stage_of
from nova_infra.config import Config
from nova_infra.names import REGISTRY_ENVIRONMENT, partition_of, repository_name


def access_page(config: Config, assembly: Assembly) -> str:
    """The page of an installation, as Markdown."""
    protected = [each for each in config.environments if each.approval]
    region = config.toolchain.region
    place = f"{partition_of(region)}:ecr:{region}:{config.toolchain.account}"
    repositories = f"arn:{place}:repository/{repository_name(config.platform.name, '*')}"
    promotion = Promotion(
        config.toolchain.account, tuple((each.stage, each.account, each.approval) for each in config.environments)
    )
    return page(
        [
            Template(
                assembly.template(stack.template_path)["Resources"],
                stack.account,
                promotion.beyond(stage_of(stack.template_path)),
                promotion.before(stage_of(stack.template_path)),
            )
            for stack in assembly.stacks()
        ],
        protected=[*(each.name for each in protected), REGISTRY_ENVIRONMENT],
        # Without an approval, the last stage counts as what comes after it.
        production=Production(frozenset(each.account for each in protected or config.environments[-1:]), repositories),
        shared=[(each.name, each.shared_account) for each in config.environments if each.shared_account],
    )
