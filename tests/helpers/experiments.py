"""What AWS answers to experiments."""

from helpers.sandbox import SandboxAccount
from nova_infra.assumptions.catalogue import EXPERIMENTS
from nova_infra.assumptions.run import read

BY_NAME = {each.name: each for each in EXPERIMENTS}


MADE, WENT_BACK = "CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"


def verdicts(name: str, account: SandboxAccount) -> dict[str, str]:
    experiment = BY_NAME[name]
    found = read(experiment, account.sandbox(name, minutes=experiment.minutes))
    return {reading.row: reading.verdict for reading in found}
