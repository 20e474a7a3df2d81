"""Runs the rules at every synthesis, as a plugin of CDK's policy validation."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import aws_cdk as cdk
import jsii

from nova_infra.checks.rules import RULES, findings
from nova_infra.checks.stages import Promotion, stage_of


@jsii.implements(cdk.IPolicyValidationPlugin)
class NovaChecks:
    """Holds every template of an app to Nova's rules. A finding is acknowledged as ``Nova::<rule>``."""

    def __init__(self, promotion: Promotion | None = None) -> None:
        """Note which environments an approval protects from which; None for an app that has no environments."""
        self._promotion = promotion

    @property
    def name(self) -> str:
        """Name in the validation report, and prefix of acknowledgements."""
        return "Nova"

    @property
    def version(self) -> str:
        """Version in the validation report."""
        return "1"

    @property
    def rule_ids(self) -> list[str]:
        """All rules."""
        return [rule.id for rule in RULES]

    def validate(self, context: cdk.IPolicyValidationContext) -> cdk.PolicyValidationPluginReport:
        """Check the synthesized templates."""
        violations = list(_violations(context.template_paths, self._promotion))
        return cdk.PolicyValidationPluginReport(success=not violations, violations=violations)


def _accounts(assembly: Path) -> dict[Path, str]:
    """Template to the account that it is deployed to, where an assembly's manifest says one."""
    manifest = assembly / "manifest.json"
    artifacts = json.loads(manifest.read_text(encoding="utf-8"))["artifacts"] if manifest.exists() else {}
    found = {
        assembly / str(each.get("properties", {}).get("templateFile")): (
            str(each.get("environment", "")).removeprefix("aws://").partition("/")[0]
        )
        for each in artifacts.values()
    }
    return {template: account for template, account in found.items() if account.isdigit()}


def _violations(paths: Iterable[str], promotion: Promotion | None) -> Iterator[cdk.PolicyViolation]:
    paths = list(paths)
    accounts: dict[Path, str] = {}
    for directory in {Path(each).parent for each in paths}:
        accounts |= _accounts(directory)
    for path in paths:
        template = json.loads(Path(path).read_text(encoding="utf-8"))
        stage = stage_of(path)
        beyond = promotion.beyond(stage) if promotion is not None else frozenset()
        before = promotion.before(stage) if promotion is not None else frozenset()
        for rule, finding in findings(template, account=accounts.get(Path(path)), beyond=beyond, before=before):
            yield cdk.PolicyViolation(
                rule_name=rule.id,
                description=f"{rule.sentence}{f': {finding.detail}' if finding.detail else ''}",
                fix=rule.remedy,
                severity=rule.severity,
                rule_metadata={"source": rule.source},
                violating_resources=[
                    cdk.PolicyViolatingResource(
                        resource_logical_id=finding.logical_id, template_path=path, locations=[finding.location]
                    )
                ],
            )
