"""Reads made-up configurations: each is accepted, or refused by key: ``make fuzz-config COUNT=10000``.

They come from the schema of ``nova.toml``: every key is there now and then, with a value that fits, one of another
kind, or one that accidents and attackers write. A third go through the file itself, with damaged bytes. A finding is an
error that is not Nova's own, a line that names no key or has more than 400 characters, or a configuration that takes
more than two seconds. Exits with 1 after a finding; what was read stands then in ``.nova/fuzz``.
"""

import argparse
import json
import random
import sys
import time
import tomllib
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from mutations import mutated

from nova_infra.config import Config, parse_config
from nova_infra.errors import ConfigError
from nova_infra.toml import read_toml

ROOT = Path(__file__).resolve().parents[1]
FOUND = ROOT / ".nova" / "fuzz"
MAX_SECONDS, MAX_LINE = 2.0, 400
SCHEMA: dict[str, Any] = Config.model_json_schema()
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        0.1,
        33.333,
        1e308,
        float("nan"),
        float("inf"),
        10**30,
        [],
        {},
        [[]],
        {"": ""},
        [None],
    ),
    *(
        "",
        " ",
        "\0",
        "\n",
        "a" * 5000,
        "*",
        "**",
        "../..",
        "/",
        "${Token[TOKEN.1]}",
        "{{resolve:ssm:x}}",
        "$(id)",
        "é",
        "\u202e",
    ),
    *(
        "0.0.0.0/0",
        "10.0.0.0/33",
        "127.0.0.0/16",
        "::/0",
        "arn:aws:s3:::x",
        "arn:aws-cn:s3:::x",
        "000000000000",
        "us-east-1",
    ),
    *(
        "mars-north-1",
        "* * * * *",
        "cron(0 25 * * ? *)",
        "rate(0 minutes)",
        "Mars/Base",
        "2026-02-30",
        "9223372036854775808",
    ),
)


def value_of(chance: random.Random, node: dict[str, Any], depth: int = 0) -> Any:
    """A value for a part of the schema, which mostly fits."""
    if chance.random() < 0.04:
        return chance.choice(ODD)
    if "$ref" in node:
        return value_of(chance, SCHEMA["$defs"][node["$ref"].rpartition("/")[2]], depth)
    if "anyOf" in node:
        return value_of(chance, chance.choice(node["anyOf"]), depth)
    if "enum" in node:
        return chance.choice(node["enum"])
    if "const" in node:
        return node["const"]
    match node.get("type"):
        case "object":
            return _table(chance, node, depth)
        case "array":
            items = node.get("items", {"type": "string"})
            return [value_of(chance, items, depth + 1) for _ in range(chance.choice((0, 1, 1, 2, 3)))]
        case "integer":
            low = int(node.get("minimum", 0))
            return chance.randint(low, int(node.get("maximum", low + 100)))
        case "number":
            low = node.get("minimum", 0)
            return round(chance.uniform(low, node.get("maximum", low + 100)), chance.choice((0, 1, 3)))
        case "boolean":
            return chance.random() < 0.5
        case "null":
            return None
    return chance.choice((*node.get("examples", ()), "shop", "prod", "a/b", "10.3.0.0/16", "111111111111", "us-east-1"))


def _table(chance: random.Random, node: dict[str, Any], depth: int) -> dict[str, Any]:
    found = {}
    for key, inner in node.get("properties", {}).items():
        if key in node.get("required", ()) or chance.random() < (0.5 if depth == 0 else 0.15):
            found[key] = value_of(chance, inner, depth + 1)
    if isinstance(more := node.get("additionalProperties"), dict):
        found |= {name: value_of(chance, more, depth + 1) for name in chance.sample(("dev", "prod", "A_B", "x y"), 2)}
    return found


def configuration(chance: random.Random, example: dict[str, Any]) -> dict[str, Any]:
    """A configuration: an example with some of its tables made up, or one that is made up altogether."""
    if chance.random() < 0.2:
        made_up: dict[str, Any] = value_of(chance, SCHEMA)
        return made_up if isinstance(made_up, dict) else {"platform": made_up}
    data: dict[str, Any] = json.loads(json.dumps(example))
    for _ in range(chance.choice((1, 1, 2, 4))):
        name, node = chance.choice(list(SCHEMA["properties"].items()))
        table = data.get(name)
        if isinstance(table, list) and table and "items" in node and chance.random() < 0.9:
            place = chance.randrange(len(table))
            item = SCHEMA["$defs"][node["items"]["$ref"].rpartition("/")[2]]
            key, inner = chance.choice(list(item["properties"].items()))
            table[place] = {**table[place], key: value_of(chance, inner, 2)} if isinstance(table[place], dict) else {}
        else:
            data[name] = value_of(chance, node, 1)
    return data


def fault(data: dict[str, Any] | bytes) -> str:
    """What is wrong with how a configuration is read; empty where nothing is."""
    began = time.process_time()
    try:
        if isinstance(data, bytes):
            FOUND.mkdir(parents=True, exist_ok=True)
            (FOUND / "nova.toml").write_bytes(data)
            data = read_toml(FOUND / "nova.toml")
        parse_config(data)
    except ConfigError as error:
        for line in str(error).splitlines():
            if not line.startswith("nova.toml: ") or len(line) > MAX_LINE or not line.isprintable():
                return f"it is refused by {line[:MAX_LINE]!r}"
    except Exception:  # any other is what is looked for: users would see its traceback
        return traceback.format_exc().strip().splitlines()[-1][:MAX_LINE]
    seconds = time.process_time() - began
    return f"it takes {seconds:.1f} s of CPU" if seconds > MAX_SECONDS else ""


def main(arguments: list[str]) -> int:
    """Read as many as are asked for; print what was found, and how many were accepted."""
    parser = argparse.ArgumentParser(description="Read made-up configurations.")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    text = (ROOT / "tests" / "unit" / "nova.toml").read_bytes()
    example = tomllib.loads(text.decode())
    found: Counter[str] = Counter()
    for number in range(options.count):
        chance = random.Random(f"{options.seed} {number}")  # noqa: S311 - draws that a seed repeats
        data = mutated(chance, text, [text]) if chance.random() < 0.33 else configuration(chance, example)
        if said := fault(data):
            found[said] += 1
            FOUND.mkdir(parents=True, exist_ok=True)
            (FOUND / f"configuration-{number}.txt").write_text(
                f"{said}\n{data!r}\n", encoding="utf-8", errors="replace"
            )
            if found[said] == 1:
                print(f"{number}: {said}", flush=True)
    print(f"{options.count} configurations of seed {options.seed}: {sum(found.values())} findings, {len(found)} kinds")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
