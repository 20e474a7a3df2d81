"""A container's surroundings: variables (reserved ones refused), secrets, permissions, connections, sidecars."""

import re
from ipaddress import IPv4Network
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from nova_infra.config.services.container import Check, Command, ImageReference, User
from nova_infra.config.values.fields import Model, Variable, WrittenOut, also, matching, refusal

# Set by the platform itself: a user's value would be overwritten, or break the service.
_OF_SDKS = r"MAX_ATTEMPTS|RETRY_MODE|DEFAULT_OUTPUT|EC2_METADATA_DISABLED|STS_REGIONAL_ENDPOINTS|(EMF|LWA|XRAY)_.*"
_RESERVED_VARIABLES = re.compile(rf"PORT|STOP_TIMEOUT|NOVA_.*|AWS_(?!({_OF_SDKS})$).*|ECS_.*")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""Fargate sets them, too: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-environment-variables.html"""

Reason = Annotated[str, Field(min_length=8), WrittenOut]


_NAME_OR_ARN = r"(arn:[\w-]+:secretsmanager:[\w{}-]+:(\d{12}|\{account\}):secret:)?[\w/+=.@{}-]{1,512}"
SecretName = Annotated[
    str,
    *matching(
        _NAME_OR_ARN,
        "is not the name of a secret",
        "write its name, as in nova/token, or nova/database:password for a field of its JSON",
    ),
]
LoginName = Annotated[
    str,
    *matching(
        _NAME_OR_ARN, "is not the name of a secret", "write only the name, as in nova/registry: all of it is read"
    ),
]
KeyArn = Annotated[
    str,
    *matching(
        r"arn:[\w-]+:kms:[\w{}-]+:(\d{12}|\{account\}):key/[\w{}-]+",
        "is not the ARN of a key",
        "write one such as arn:aws:kms:us-east-1:111122223333:key/1234abcd-…",
    ),
]


class Secret(Model):
    """A secret value. As text: ``"NAME"`` or ``"NAME:FIELD"`` of Secrets Manager, ``"ssm:/PATH"`` of parameters."""

    secret: SecretName | None = None
    """Name or full ARN of a secret in Secrets Manager."""
    parameter: (
        Annotated[
            str,
            *matching(
                # A name with a hierarchy is written in full:
                # https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html.
                r"(/[\w.{}-]+)+|[\w.{}-]+",
                "is not the name of a parameter",
                "write its name, with a slash before each part, as in /nova/token",
            ),
        ]
        | None
    ) = None
    """Name of a SecureString in Parameter Store."""
    field: Annotated[str, *matching(r"[^:\s]{1,128}", "is not a field", "write the JSON key without colons")] | None = (
        None
    )
    """Key of the secret's JSON whose value is meant. Default: the whole text."""
    key: KeyArn | None = None
    """Customer managed key that it is encrypted with. Default: the one that AWS keeps for the service."""

    model_config = also({"type": "string"})

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        if data.startswith("ssm:"):
            return {"parameter": data.removeprefix("ssm:")}
        if data.startswith("arn:") and ":secret:" not in data:
            parameter = data.partition(":parameter")[2]
            raise refusal(
                "is not the ARN of a secret",
                f'write "ssm:{parameter}"' if parameter else "write the secret's name, as in nova/token",
            )
        head, arn, tail = data.partition(":secret:")
        name, colon, field = (tail if arn else head).partition(":")
        return {"secret": f"{head}{arn}{name}" if arn else name, **({"field": field} if colon else {})}

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.secret is None) == (self.parameter is None):
            raise refusal("has to name one place", "write secret = … or parameter = …")
        if self.field is not None and self.secret is None:
            raise refusal("names a field of a parameter, which has none", "remove field, or use a secret")
        return self


class Login(Model):
    """The login of a registry: a secret whose JSON has ``username`` and ``password``. Its short form is the name."""

    secret: LoginName
    """Name or full ARN of the secret in Secrets Manager."""
    key: KeyArn | None = None
    """Customer managed key that it is encrypted with. Default: the one that AWS keeps for the service."""

    model_config = also({"type": "string"})

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"secret": data} if isinstance(data, str) else data


class Permission(Model):
    """What the service's code may do in AWS: one statement of its task role."""

    actions: Annotated[
        tuple[
            Annotated[
                str,
                *matching(r"\*|[a-z0-9-]+:[A-Za-z*?][\w*?]*", "is not an action", "write one such as dynamodb:GetItem"),
            ],
            ...,
        ],
        Field(min_length=1),
    ]
    """Actions, as IAM writes them. A ``*`` needs a reason."""
    resources: Annotated[
        tuple[
            Annotated[
                str,
                *matching(
                    r"\*|arn:[\w{}*-]+:[\w-]+:[\w{}*-]*:[\w{}*]*:\S+",
                    "is not the ARN of a resource",
                    "write one such as arn:aws:dynamodb:{region}:{account}:table/orders",
                ),
            ],
            ...,
        ],
        Field(min_length=1),
    ]
    """ARNs; ``{account}``, ``{region}`` and ``{environment}`` are filled in. ``*`` alone needs a reason."""
    reason: Reason | None = None
    """Why the actions or the resources cannot be narrower."""

    @model_validator(mode="after")
    def _narrow_or_explained(self) -> Self:
        if self.reason is None:
            for action in self.actions:
                if "*" in action:
                    raise refusal(
                        f"allows {action}, which is more than one action", 'list the actions, or add reason = "…"'
                    )
            if "*" in self.resources:
                raise refusal("allows it on every resource", 'name the ARNs, or add reason = "…"')
        return self


def _address(value: str) -> str:
    host = value.rpartition(":")[0]
    if "/" in host or re.fullmatch(r"[\d.]+", host):
        try:
            IPv4Network(host)
        except ValueError:
            raise refusal(
                "is not an address range", "write its first address and prefix length, as in 10.0.0.0/16:6379"
            ) from None
    return value


Connection = Annotated[
    str,
    *matching(
        r"[A-Za-z0-9*{]([\w.*{}-]*[\w}])?(/([12]?\d|3[0-2]))?:([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])",
        "is not a host and a port",
        "write one such as db.internal:5432 or 10.0.0.0/16:6379",
    ),
    AfterValidator(_address),
]


_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_KEYS = {
    "PORT": "remove it; the port of a web service is its key port",
    "STOP_TIMEOUT": "remove it, and write stop_seconds = …",
    **dict.fromkeys(_REGIONS, 'write "{region}", or remove it: Fargate sets it to where the task runs'),
    **dict.fromkeys(_CREDENTIALS, "remove it; what the code may do in AWS is its key permissions"),
}
"""What to write where somebody sets one of the platform's variables."""


def is_reserved(name: str, value: object, region: str = "{region}") -> bool:
    """Whether a variable is not for a service to set: one may repeat the region where its tasks run."""
    return _RESERVED_VARIABLES.fullmatch(name) is not None and not (name in _REGIONS and value == region)


def _set_once(secrets: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    """ECS refuses a secret that is also a variable (API_ContainerDefinition)."""
    for name in secrets if info.field_name == "secrets" else ():
        if name in info.data.get("environment", ()):
            raise refusal(f"sets {name}, which environment also sets", "remove one of the two")
    return secrets


class SidecarHealth(Model):
    """How ECS checks a sidecar's health."""

    command: Check
    """Runs in the container; it exits with 0 if the container is healthy."""
    interval: Annotated[int, Field(ge=5, le=300)] = 10
    """Seconds between two checks. Default: 10."""
    timeout: Annotated[int, Field(ge=2, le=60)] = 5
    """Seconds that a check may take. Default: 5."""
    start_seconds: Annotated[int, Field(ge=0, le=300)] = 30
    """Seconds in which failures do not count. Default: 30."""


class Sidecar(Model):
    """An additional container in each task, which the service reaches at ``localhost``."""

    name: Annotated[
        str,
        *matching(
            r"(?!app$)[a-z](-?[a-z0-9])*",
            "is not a free name",
            "use lower-case letters, digits and hyphens; app is taken",
        ),
    ]
    image: ImageReference
    """Pulled from its own registry, so an environment without NAT needs it in ECR. Docker Hub limits pulls without
    login."""
    credentials: Login | None = None
    """A secret in each environment with the login for the image's registry: JSON with ``username`` and
    ``password``. Default: it needs no login."""
    command: Command | None = None
    """Default: the image's own."""
    environment: dict[Variable, str] = Field(default={})
    """Its environment variables."""
    secrets: Annotated[dict[Variable, Secret], AfterValidator(_set_once)] = Field(default={})
    """Its secrets."""
    user: User | None = None
    """Default: the image's own."""
    readonly_root: bool = True
    """Whether its file system is read-only. Default: true."""
    memory: Annotated[int, Field(ge=16, le=122_880)] | None = None
    """MiB of the task's memory that it may use. Default: no limit of its own."""
    essential: bool = False
    """Whether the task stops when this container stops. Default: false."""
    health: SidecarHealth | None = None
    """If given, the service's container starts once it is healthy. Default: they start together."""


class Surroundings(Model):
    """What every service may need, whatever its kind."""

    environment: dict[Variable, str] = Field(default={})
    """Further environment variables. ``{account}``, ``{region}`` and ``{environment}`` in a value are filled in."""
    secrets: dict[Variable, Secret] = Field(default={})
    """Environment variables whose values are secret: variable = ``"NAME"`` or ``"NAME:FIELD"`` of a secret in each
    environment, ``"ssm:/PATH"`` of a parameter, or a table with the customer's key."""
    permissions: tuple[Permission, ...] = ()
    """What its code may do in AWS. Default: nothing."""
    connects_to: Annotated[tuple[Connection, ...], Field(max_length=50)] = ()
    """``host:port`` that its tasks connect to, besides ports 80 and 443. With an address range, as in
    ``10.0.0.0/16:6379``, the port stays closed to other addresses. Default: none."""
    sidecars: Annotated[tuple[Sidecar, ...], Field(max_length=9)] = ()
    """Additional containers in each task. Default: none."""
    credentials: Login | None = None
    """A secret in the toolchain's account and region with the login for the registry of ``image``: JSON with
    ``username`` and ``password``. Only the copying of the image reads it; no task does. Default: it needs no login."""
    before_deploy: Command | None = None
    """Command that runs once, in the new image with the service's role, network and secrets, before the new revision
    gets traffic. If it fails, nothing is deployed. Default: none."""

    @field_validator("environment", "secrets")
    @classmethod
    def _free_variables(cls, variables: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        for name, value in variables.items():
            if is_reserved(name, value, **(info.context or {})):
                by = "AWS gives the task" if name in _CREDENTIALS else "the platform sets"
                raise refusal(f"sets {name}, which {by}", _KEYS.get(name, "choose another name"))
        return _set_once(variables, info)
