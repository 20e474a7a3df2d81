"""The types of single values in ``nova.toml``: what is wrong with a value, and what to write instead."""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from ipaddress import IPv4Network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, WithJsonSchema, field_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

_COMMANDS = ("command", "entrypoint", "before_deploy")
"""Lists whose entries a program reads in their order."""


class Model(BaseModel):
    """A table of ``nova.toml``: frozen, strict about types, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _lists(cls, value: object) -> object:
        """Take a list where the field is a tuple: TOML has lists, and so does Python that is written by hand."""
        return tuple(value) if isinstance(value, list) else value

    @field_validator("*")
    @classmethod
    def _nothing_twice(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a text that a list has twice: AWS does, or makes two things of one name of it."""
        if info.field_name in _COMMANDS:
            return value
        texts = [each for each in value if isinstance(each, str)] if isinstance(value, tuple) else []
        if repeated := next((text for number, text in enumerate(texts) if text in texts[:number]), None):
            raise refusal(f"has {repeated!r} twice", "write it once")
        return value


def also(*shapes: JsonDict) -> ConfigDict:
    """Tell editors of the short forms that a table has, which a validator of it turns into the table."""

    def extend(schema: JsonDict) -> None:
        table = dict(schema)
        schema.clear()
        schema.update({"anyOf": [table, *shapes]})

    return ConfigDict(json_schema_extra=extend)


def refusal(fault: str, remedy: str) -> PydanticCustomError:
    """What a validator raises: what is wrong with the value, and what to do."""
    return PydanticCustomError("nova", "{fault}: {remedy}", {"fault": fault, "remedy": remedy})


def matching(pattern: str, fault: str, remedy: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Constraints of a text that must match a pattern, in words that name the remedy."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise refusal(fault, remedy)
        return value

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$"})


@cache
def aws_regions() -> Mapping[str, str]:
    """Every AWS region that the installed AWS SDK knows, to its partition."""
    # The file is read as it is: asking the SDK for it takes half a second.
    partitions = json.loads((resources.files("botocore") / "data" / "partitions.json").read_text(encoding="utf-8"))
    return {
        name: partition["id"]
        for partition in partitions["partitions"]
        for name in partition["regions"]
        if not name.endswith("-global")
    }


def _region(value: str) -> str:
    if value not in aws_regions():
        raise refusal("is not an AWS region", "write one such as us-east-1 or ap-northeast-1")
    return value


def _written_out(value: str) -> str:
    # Scripts without capital letters, such as Japanese, may have no spaces between words.
    spaced = all(letter.upper() != letter.lower() for letter in value if letter.isalpha())
    if spaced and len(value.split()) < 3:
        raise refusal("is not a sentence", "say why, in words that a reviewer can judge")
    return value


_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))


def _cidr(value: str) -> str:
    try:
        network = IPv4Network(value)
    except ValueError:
        network = None
    # Python also reads a mask in place of the length, and an address alone, which no API of AWS does.
    if network is None or str(network) != value:
        raise refusal("is not an IPv4 network", "write its first address and prefix length, as in 10.0.0.0/16")
    if not 16 <= network.prefixlen <= 24:
        raise refusal("has no room for the subnets or is larger than a VPC", "choose a prefix length from /16 to /24")
    # Python calls more ranges private, such as 127.0.0.0/8 and 169.254.0.0/16, which no VPC can have.
    if not any(network.subnet_of(range_) for range_ in _PRIVATE):
        raise refusal(
            "is not a private range", "choose one within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10"
        )
    return value


DOMAIN_NAME = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
"""Pattern of a domain name."""

Account = Annotated[
    str,
    *matching(r"\d{12}", "is not an AWS account", 'write its 12 digits in quotes, as in account = "111122223333"'),
]
Region = Annotated[str, AfterValidator(_region)]
Cidr = Annotated[str, AfterValidator(_cidr)]
Name = Annotated[
    str,
    *matching(
        r"[a-z](-?[a-z0-9])*",
        "is not a name that AWS resources can have",
        "use lower-case letters, digits and single hyphens, starting with a letter",
    ),
]
# Clients and load balancers resolve dot segments first: https://datatracker.ietf.org/doc/html/rfc3986#section-5.2.4
PathPattern = Annotated[
    str,
    *matching(
        r"(?!.*/\.\.?(/|$))/[\w\-.$/~\"'@:+&*?]{0,127}",
        "is not a path pattern",
        "start it with /, keep it under 128 characters, and use no spaces, no query and no . or .. between slashes",
    ),
]
Email = Annotated[
    str,
    *matching(
        # ASCII: a letter of another alphabet that looks alike would send the messages to somebody else, or to nobody.
        r"[!-?A-~]{1,64}@[!-?A-~]{1,180}\.[!-?A-~]{1,63}",
        "is not an e-mail address",
        "write one such as team@example.com",
    ),
]
WrittenOut = AfterValidator(_written_out)
"""Holds a text to saying something."""
Variable = Annotated[
    str,
    *matching(
        r"[A-Za-z_]\w*",
        "is not the name of an environment variable",
        "use letters, digits and underscores, starting with a letter",
    ),
]
ProjectPath = Annotated[
    str,
    *matching(
        r"\.|(?!\.\.?(/|$))[\w.@+-]+(/(?!\.\.?(/|$))[\w.@+-]+)*/?",
        "is not a path in the project",
        "write it relative to nova.toml, without .. and spaces, as in services/api",
    ),
]
