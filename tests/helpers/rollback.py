"""Production after a rollback."""

from helpers.deployed_environment import Deployment


def change_sets(deployment: Deployment) -> list[str]:
    cloudformation = deployment.client("cloudformation")
    return [
        summary["Status"]
        for stack in cloudformation.describe_stacks()["Stacks"]
        for summary in cloudformation.list_change_sets(StackName=stack["StackName"])["Summaries"]
        if summary["ExecutionStatus"] != "EXECUTE_COMPLETE"
    ]
