"""Writes ``docs/nova.schema.json``, which lets editors complete and explain ``nova.toml``."""

import json

from nova_infra.config.root import Config


def schema() -> str:
    """``docs/nova.schema.json``, with which editors complete and explain ``nova.toml``."""
    return json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(schema(), end="")
