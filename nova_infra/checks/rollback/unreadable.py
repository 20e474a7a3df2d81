"""``NOVA-R22``: the other rules can read in the template what they judge."""

from collections.abc import Iterator

from nova_infra.checks.rollback.alarms import deployment_alarms
from nova_infra.checks.rule import Finding, Rule, Template

_OF_DEPLOYMENTS = tuple(
    f"Properties.{name}"
    for name in (
        *("ActionsEnabled", "DatapointsToAlarm", "EvaluationPeriods", "Metric", "Period", "Statistic"),
        "TreatMissingData",
    )
)
"""Properties of an alarm that matter only where it may roll a deployment back."""


def _everything_is_read(template: Template) -> Iterator[Finding]:
    watching = set(deployment_alarms(template))
    if any("DeploymentConfiguration" in each.location for each in template.unread):
        watching |= {alarm_id for alarm_id, _ in template.of_type("AWS::CloudWatch::Alarm")}
    alarms = {alarm_id for alarm_id, _ in template.of_type("AWS::CloudWatch::Alarm")} - watching
    for finding in template.unread:
        if finding.logical_id not in alarms or not finding.location.startswith(_OF_DEPLOYMENTS):
            yield finding


UNREAD_RULES = (
    Rule(
        "NOVA-R22",
        "Everything that a rule judges is written in the template, where it can be read",
        "write the value itself instead of a parameter or an import; conditions may choose: each outcome is checked",
        "What only CloudFormation knows may be off when a release fails",
        _everything_is_read,
    ),
)
