"""Which of a worker's alarms roll a deployment back: the age of its oldest message only where the bake can show it."""

import pytest

from nova_infra.config import Queue, Rollout, Runtime, Thresholds


@pytest.mark.parametrize(("bake", "step_bake", "rolls_back"), [(9, 5, True), (5, 9, False)])
def test_the_age_rolls_back_where_the_bake_and_not_a_step_of_it_is_long_enough(
    bake: int, step_bake: int, rolls_back: bool
) -> None:
    import aws_cdk as cdk

    from nova_infra.constructs.background.worker_alarms import WorkerAlarms

    rollout = Rollout(strategy="canary", percent=10, step_bake_minutes=step_bake, bake_minutes=bake)
    alarms = WorkerAlarms(
        cdk.Stack(),
        "Alarms",
        cluster_name="nova-dev",
        service_name="mailer",
        queue=(Queue(oldest_seconds=200), "mails", "mails-dead"),
        runtime=Runtime(rollout=rollout),
        thresholds=Thresholds(),
        topic=None,
    )
    found = [each.node.id for each in alarms.rollback_alarms]
    assert ("Oldest" in found) is rolls_back
    assert "Dead" in found
