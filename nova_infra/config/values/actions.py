"""The actions that IAM knows, so that a typo in a permission is refused and not found at run time."""

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path

from nova_infra.config.services.surroundings import Permission


@cache
def known_actions() -> Mapping[str, frozenset[str]]:
    """Each service's prefix to its actions, in lower case, because IAM compares them so."""
    text = (resources.files("nova_infra.config.values") / "iam_actions.txt").read_text(encoding="utf-8")
    return {prefix: frozenset(actions) for prefix, *actions in map(str.split, text.splitlines())}


_ARNS_OF_THEIR_OWN = frozenset(
    {"dynamodb", "elasticfilesystem", "events", "kinesis", "kms", "lambda", "logs", "rds-db", "s3", "secretsmanager"}
    | {"sns", "sqs", "states"}
)
"""Services whose actions are only about resources of their own."""
_OTHER_PARTS = (
    (
        r"s3:((get|put|delete|restore)object[\w*]*|abortmultipartupload|listmultipartuploadparts)",
        r"[^/*?]*:s3:::[^/*?]*",
        "is about objects, and resources names only buckets: add /* to the bucket",
    ),
    (
        r"s3:(list(bucket|bucketversions|bucketmultipartuploads)|getbucket[\w*]*)",
        r"[^/]*:s3:::[^/]*/.*",
        "is about a bucket, and resources names only objects: add the bucket without what follows the /",
    ),
    (
        r"secretsmanager:(get|describe|put|update)secret[\w*]*",
        r".*:secret:[^*?]*(?<!-\w{6})",
        "is about secrets, whose ARNs end with six characters that AWS adds: add -?????? to the ARN",
    ),
    (
        r"kms:((de|(re)?en)crypt[\w*]*|describekey|generate(datakey[\w*]*|mac)|getpublickey|sign|verify(mac)?)",
        r".*:alias/.*",
        "is about keys, and IAM compares no aliases with them: name it by its id, as in key/…",
    ),
)
"""Actions, the ARNs that none of them ever meets, why, and what would be met: each allows nothing at all."""


def misspelt(permission: Permission) -> Iterator[str]:
    """What of a permission IAM does not know, or would never use: its key, the value, the fault and the remedy."""
    known = known_actions()
    whose = {arn.split(":")[2] if arn != "*" else "*" for arn in permission.resources}
    for place, action in enumerate(permission.actions):
        service, _, name = action.lower().partition(":")
        key = f"actions[{place}]: {action!r}"
        if action == "*":
            continue
        if service not in known:
            yield f"{key} begins with {service}, which is not an IAM service: {_instead(service, known)}"
        elif not any(re.fullmatch(_pattern(name), each) for each in known[service]):
            choice = _instead(name, known[service], f"{service}:", _as_written(service))
            yield f"{key} is not an action of {service}: {choice}"
        elif service in _ARNS_OF_THEIR_OWN and whose <= known.keys() - {service}:
            yield (
                f"{key} works on resources of {service}, and resources names only those of "
                f"{' and '.join(sorted(whose))}: write arn:aws:{service}:…, or move it to a permission of its own"
            )
        else:
            for actions, never, fault in _OTHER_PARTS:
                if re.fullmatch(actions, action.lower()) and _all_of(service, permission.resources, never):
                    yield f"{key} {fault}"
    for place, arn in enumerate(permission.resources):
        service = arn.split(":")[2] if arn != "*" else ""
        if service and service not in known:
            choice = _instead(service, known)
            yield f"resources[{place}]: {arn!r} is of {service}, which is not an IAM service: {choice}"


def _all_of(service: str, arns: Sequence[str], pattern: str) -> bool:
    """Whether a pattern matches every ARN that may be of a service."""
    return all(re.fullmatch(pattern, arn) for arn in arns if arn == "*" or arn.split(":")[2] in (service, "*"))


def _as_written(service: str) -> Mapping[str, str]:
    """The operations of a service's API in lower case, to their usual spelling; most are actions of IAM, too."""
    # The file is read as it is: the SDK takes half a second to be imported.
    files = sorted((Path(str(resources.files("botocore"))) / "data" / service).glob("*/service-2.json.gz"))
    if not files:
        return {}
    return {name.lower(): name for name in json.loads(gzip.decompress(files[-1].read_bytes()))["operations"]}


def _pattern(name: str) -> str:
    return re.escape(name).replace(r"\*", ".*").replace(r"\?", ".")


def _instead(
    word: str,
    choices: Mapping[str, object] | frozenset[str],
    prefix: str = "",
    spelling: Mapping[str, str] | None = None,
) -> str:
    close = get_close_matches(word, sorted(choices), n=1, cutoff=0.6)
    return f"did you mean {prefix}{(spelling or {}).get(close[0], close[0])}?" if close else "correct its spelling"
