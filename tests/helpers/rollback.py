"""Production after a rollback."""


def change_sets(deployment) -> list[str]:
    cloudformation = deployment.client("cloudformation")
    return [
        summary["Status"]
        for stack in cloudformation.describe_stacks()["Stacks"]
        for summary in cloudformation.list_change_sets(StackName=stack["StackName"])["Summaries"]
        if summary["ExecutionStatus"] != "EXECUTE_COMPLETE"
    ]
