"""Who holds rights in the order of the delivery."""

from helpers.assembly import Assembly
from nova_infra.checks.permissions.access.holders import steps
from nova_infra.checks.rule import Template


def test_what_follows_production_is_after_the_approval_as_well(assembly: Assembly) -> None:
    template = assembly.template("NovaPipelineStack")
    [pipeline] = [each for each in template["Resources"].values() if each["Type"] == "AWS::CodePipeline::Pipeline"]
    stages = pipeline["Properties"]["Stages"]
    builds = [each for each in stages[-1]["Actions"] if each["ActionTypeId"]["Category"] == "Build"]
    stages.append({"Name": "Afterwards", "Actions": builds})
    after = {each.name.split(":")[0] for each in steps(Template(template["Resources"])) if each.after}
    assert after == {stages[-2]["Name"], "Afterwards"}
