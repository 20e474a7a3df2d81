"""Turns an engine's failure into one line with the fault and the remedy."""

import re
from collections.abc import Iterable, Sequence

from nova_infra.documents.last_words import telling_first
from nova_infra.documents.text import shortened
from nova_infra.errors import NovaError

_LINES = 3
_LINE_LENGTH = 240
# BuildKit puts the place in the Dockerfile below the log of the step that failed, and Buildah what it holds in memory.
_FRAME = re.compile(r"-{4,}|\d+ \|.*|\S*Dockerfile\S*:\d+|.*\(UNHANDLED LOGLEVEL\).*|.*msg=\"error unmounting.*")

_QUOTED_WARNINGS = re.compile(r"(?:\\nWARNING: [^\\\"]*)+")
"""What Podman repeats of another program's remarks, with its line breaks written out, where it quotes its error."""

_OWN_LINES = 5
"""In so many lines an engine says why a build failed; the Dockerfile's steps said what is above them."""
_FAILED_STEP = re.compile(r"while running runtime: exit status \d+|did not complete successfully: exit code")
_LACKS = re.compile(
    r"(?:^|: )[\w.+-]+: (?:command )?not found$|\"[\w.+-]+\": executable file not found"
    r"|No module named '?(?:pip|venv|ensurepip)\b",
    re.MULTILINE,
)
"""What a step says last that finds no such program or package of its base image: a path may be the app's own."""
OF_A_STAND_IN = "which stands in for"
_PROGRESS = re.compile(r"(#\d+ )?\d+\.\d+ ")
_OF_THE_ENGINE = re.compile(
    r"(#\d+ )?(Error: building at STEP|ERROR: (failed to (build|solve):|process \"))|time=\"[^\"]+\" level="
    r"|(\[\d+/\d+\] )?STEP \d+/\d+: |--> (Using cache )?[0-9a-f]{11,}$|> \[[^\]]*\d+/\d+\] "
)
_OF_THE_MACHINE = re.compile(r"exec format error|no space left", re.IGNORECASE)
_HEREDOC = r"(?:RUN|COPY|ADD)\b.*<<-?[\"']?[A-Za-z_]"
_OF_BUILDKIT = re.compile(
    rf"building at STEP \"{_HEREDOC}"
    r"|building at STEP .*\s--(?:link|parents|exclude|checksum|keep-git-dir|unpack|security|network|start-interval)\b"
    r".*(?:only supports the --|flag provided but not defined)"
)
"""What Buildah says of Dockerfiles that BuildKit builds, which builds what is released, and an older Buildah does not:
https://docs.docker.com/reference/dockerfile/
"""


class EngineError(NovaError):
    """This machine cannot build or run containers: no verdict on the release."""

    exit_code = 2


class ImageError(NovaError):
    """The release's image does not build or run."""

    exit_code = 1


_OF_AN_IMAGE = ("build", "buildx", "create", "run", "start", "pull", "exec")
"""Commands that an image can make fail; others, such as to list what there is, fail only for the machine's reasons."""
PASTA = r"(?<![-\w])pasta failed|(could not find|failed to start) pasta\b"
"""What Podman says where its network program fails, whose name others have, too.

https://github.com/containers/common/blob/main/libnetwork/pasta/pasta_linux.go
"""
# Said by Docker, Podman and Buildah; the first that matches counts.
_MACHINE: tuple[tuple[str, str], ...] = (
    (r"no space left on device|disk quota exceeded", "the disk is full: free some space, as with `nova image prune`"),
    (
        r"cannot connect to the docker daemon|is the docker daemon running"
        r"|error during connect: |unable to resolve docker endpoint"
        r"|dial unix .*connect: (connection refused|no such)"
        r"|docker\.sock.*permission denied|permission denied.*docker\.sock|unable to connect to podman",
        "it does not answer: start it, or give your user access to it",
    ),
    (
        r"exec format error",
        "the image is for a different architecture: rehearse on such a machine, or with --tasks sources",
    ),
    (
        r"no such host|temporary failure in name resolution|i/o timeout|network is unreachable|connection reset|"
        r"connection timed out|tls handshake|x509:|pinging container registry|toomanyrequests|"
        r"(get|head) \"https?://[^\"]+/v2/",
        "an image cannot be pulled: give the machine a way to its registry, or a local image to stand in for it: "
        "localhost/NAME:TAG with the last part of its name and its tag",
    ),
    (
        r"unknown command: docker buildx|'buildx' is not a docker command|usage:\s+docker \[options\] command",
        "the Dockerfiles need BuildKit: install Docker's buildx (docker-buildx-plugin), or Podman",
    ),
    (
        rf"cannot clone: operation not permitted|newuidmap|rlimit_|error setting rlimit|slirp4netns|{PASTA}|netavark"
        r"|/dev/net/tun|cni plugin|resource limits are not supported|requested cgroup controller"
        r"|operation not permitted.*(mount|clone)"
        r"|oci runtime error.*cgroup|cgroup.*permission denied",
        "this machine does not let it run containers: read its message, and docs/rehearsal.md",
    ),
)


def explain(program: str, arguments: Iterable[str], said: str) -> NovaError:
    """The error of a command of an engine that failed.

    Returns:
        An ``EngineError`` where the machine is at fault, otherwise an ``ImageError``.
    """
    step = next(iter(arguments), "")
    lowered = said.lower()
    for pattern, remedy in _MACHINE:
        if re.search(pattern, lowered):
            return EngineError(f"{program} {step}: {last_lines(said, 1)}: {remedy}")
    if step in _OF_AN_IMAGE:
        return ImageError(f"{program} {step}: {last_lines(said)}")
    return EngineError(f"{program} {step}: {last_lines(said)}: see what it says")


def build_error(
    program: str, name: str, lines: Sequence[str], dockerfile: str, stand_ins: Iterable[tuple[str, str, str]] = ()
) -> NovaError:
    """Whose fault it is that an image does not build, with the last lines of the log.

    Args:
        lines: What the build printed last.
        stand_ins: Base images that others stood in for, each with the other one's name and id: these may lack things.
    """
    log = "\n".join(lines)
    in_a_step = _FAILED_STEP.search(log) is not None
    said = log if in_a_step else "\n".join(ending(log, _OWN_LINES))
    if in_a_step and stand_ins and _LACKS.search("\n".join(ending(log, _LINES))):
        whose = " and ".join(f"{local}, {OF_A_STAND_IN} {reference}" for reference, local, _ in stand_ins)
        return EngineError(
            f"{name}: {_place(log, dockerfile)} finds no such program in {whose}: {last_lines(said)}: put it into the "
            "stand-in, or give this machine a way to the registry"
        )
    missing = re.search(r"manifest unknown|: not found|requested access to the resource is denied", said)
    if not in_a_step and missing and re.search(r"initializing source|resolve source metadata|reading manifest", said):
        return ImageError(f"{name}: its base image is not in the registry: {last_lines(said, 1)}: correct its FROM")
    # The body of a heredoc that is not known as one looks like instructions.
    body = "unknown instruction" in said.lower() and re.search(rf"^\s*{_HEREDOC}", dockerfile, re.M | re.I)
    if not in_a_step and program != "docker" and (body or _OF_BUILDKIT.search(said)):
        return EngineError(
            f"{name}: {program} build: {last_lines(said, 1)}: BuildKit knows that, and this version of {program} does "
            "not: install a newer one, or Docker with buildx"
        )
    error = explain(program, ["build"], said)
    # What a step says may look like a fault of the machine, and that is its own but for these.
    if isinstance(error, EngineError) and (not in_a_step or _OF_THE_MACHINE.search(said)):
        return EngineError(f"{name}: {error}")
    why = [*_of_the_step(log), last_lines(said, 1)] if in_a_step else [last_lines(said)]
    return ImageError(
        f"{name}: its image does not build: {' / '.join(why)}: run `nova image build --local {name.partition(':')[0]}`"
    )


def _of_the_step(log: str) -> list[str]:
    """What the command of a failed step says: the line that says why, and its last one."""
    lines = [_PROGRESS.sub("", line) for line in ending(log, len(log))]
    said = [line for line in lines if not _OF_THE_ENGINE.match(line)]
    return [shortened(line, _LINE_LENGTH) for line in telling_first(said, 2)]


def _place(log: str, dockerfile: str) -> str:
    """The file and line of the step that failed, or the file alone where the log does not say."""
    if numbered := re.search(r"^(\S*Dockerfile\S*:\d+)$", log, re.MULTILINE):
        return numbered[1]
    step = re.search(r'building at STEP "([^"]+)', log)
    begins = (line.strip().rstrip("\\").rstrip() for line in dockerfile.splitlines())
    found = [number for number, line in enumerate(begins, 1) if step and line and step[1].startswith(line)]
    return f"Dockerfile:{found[0]}" if found else "a step of its Dockerfile"


def last_lines(said: str, count: int = _LINES) -> str:
    """The last lines that say something, as one line."""
    return " / ".join(shortened(line, _LINE_LENGTH) for line in ending(said, count))


def ending(said: str, count: int) -> list[str]:
    """The last lines that say something, whole."""
    lines = [_QUOTED_WARNINGS.sub("", line).strip() for line in said.splitlines()]
    return [line for line in lines if line and not _FRAME.fullmatch(line)][-count:]
