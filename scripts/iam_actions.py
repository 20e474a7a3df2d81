"""Writes the list of IAM's actions that permissions in ``nova.toml`` are checked against, from cfn-lint.

Run it after an update of cfn-lint: ``python scripts/iam_actions.py``. A test compares the two.
"""

import json
from importlib import metadata
from pathlib import Path

LIST = Path(__file__).parents[1] / "nova_infra" / "config" / "values" / "iam_actions.txt"


def listed() -> str:
    """A line for each service: its prefix and its actions, in lower case, because IAM compares them so."""
    source = metadata.distribution("cfn-lint").locate_file("cfnlint/data/AdditionalSpecs/Policies.json")
    services = json.loads(Path(str(source)).read_text(encoding="utf-8"))
    lines = (" ".join([prefix, *sorted(services[prefix]["Actions"])]) for prefix in sorted(services))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    LIST.write_text(listed(), encoding="utf-8")
