"""Builds an image on this machine, for a rehearsal or by hand: caches, secrets, base images; nothing is pushed."""

import fcntl
import os
import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from nova_infra.containers.dockerfile import needs_docker_format, programs_of_shells, with_users
from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError, ImageError, build_error
from nova_infra.images.build_context import ContextFile, write_context
from nova_infra.machine.scratch import no_room, runtime_directory, scratch_directory

_SECRETS = {
    "pip": ("PIP_CONFIG_FILE", "~/.config/pip/pip.conf", "~/.pip/pip.conf", "/etc/pip.conf"),
    "certificates": ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
}
"""What this machine's packages come from and how: the first variable that is set or file that is there."""
ENGINES = ("docker", "podman", "buildah")
"""Programs that build: on an interruption they are left to end by themselves."""
_KEPT_LINES = 60
BASE_LABEL = "nova.built-on"
"""Label of an image that was built: the ids of the images that stand in for those that its Dockerfile names."""
STAGE_LABEL = "nova.stage"
"""Label of what a build leaves between its steps."""
CACHE = "cache"
"""What a service's cached images are called, below the name of its image."""
_CACHED = re.compile(r"--> (?:Using cache )?([0-9a-f]{11,64})$")
# Docker's format notes the ids of containers, which no two builds share: what comes of a build never has it.
_DATELESS, _SEALED = "--timestamp=0", "--format=oci"
_INTERRUPT_SECONDS = 30
# What undoes the network of a build step: ended, it would leave half of it behind.
_LEFT_ALONE = ("netavark", "iptables", "ip6tables", "nft", "aardvark-dns", "conmon")


@dataclass(frozen=True)
class Recipe:
    """What an image is built from.

    Attributes:
        name: Its name with its content tag, such as ``localhost/nova/audio-service:0123456789abcdef``.
        platform: As engines name it, such as ``linux/amd64``.
    """

    name: str
    dockerfile: str
    platform: str
    arguments: Mapping[str, str]
    files: tuple[ContextFile, ...]
    target: str = ""

    @property
    def tag(self) -> str:
        """Its content tag."""
        return self.name.rpartition(":")[2]


def local_name(image: str) -> str:
    """What an image is called in the engine's store: its name without its registry, under ``localhost``."""
    registry, slash, path = image.partition("/")
    in_registry = bool(slash) and ("." in registry or ":" in registry or registry == "localhost")
    return f"localhost/{path if in_registry else image}"


def build(engine: Engine, recipe: Recipe, *, tell: Callable[[str], None]) -> bool:
    """Have an image in the engine's store: where its content tag is there, on the same base, nothing is built.

    Returns:
        Whether it was built now.

    Raises:
        EngineError: This machine cannot build it: its disk is full, say, or the base image cannot be pulled.
        ImageError: It does not build.
    """
    stand_ins = _stand_ins(engine, recipe)
    base = " ".join(f"{name.partition('/')[2]}={image_id}" for _, name, image_id in stand_ins)
    base += " and users" if _with_users(recipe, stand_ins) != _dockerfile(recipe) else ""
    if _is_there(engine, recipe, base):
        return False
    try:
        # One after the other: they share layers, and the second then finds those of the first.
        with _alone():
            if _is_there(engine, recipe, base):
                return False
            _build(engine, recipe, stand_ins, base, tell)
    except OSError as error:
        name = recipe.name.rpartition("/")[2]
        raise EngineError(f"{name}: no room to build it: {no_room(error)}") from None
    return True


def _with_users(recipe: Recipe, stand_ins: list[tuple[str, str, str]]) -> str:
    return with_users(_dockerfile(recipe), [reference for reference, _, _ in stand_ins])


def _is_there(engine: Engine, recipe: Recipe, base: str) -> bool:
    found = engine.image(recipe.name)
    return found is not None and _labels(found).get(BASE_LABEL, "") == base


def _build(
    engine: Engine, recipe: Recipe, stand_ins: list[tuple[str, str, str]], base: str, tell: Callable[[str], None]
) -> None:
    for reference, name, _ in stand_ins:
        tell(f"{name} stands in for {reference}")
    with scratch_directory("image") as directory:
        context, scratch = Path(directory, "context"), Path(directory, "scratch")
        context.mkdir()
        scratch.mkdir()
        write_context(recipe.files, context)
        if (with_all := _with_users(recipe, stand_ins)) != _dockerfile(recipe):
            (context / recipe.dockerfile).write_text(with_all, encoding="utf-8")
        arguments = [
            *(["buildx"] if engine.is_docker else []),
            "build",
            f"--platform={recipe.platform}",
            *([f"--target={recipe.target}"] if recipe.target else []),
            f"--file={context / recipe.dockerfile}",
            *(f"--build-arg={key}={value}" for key, value in sorted(recipe.arguments.items())),
            f"--build-arg=RELEASE={recipe.tag}",
            *(f"--secret=id={name},src={path}" for name, path in _secrets()),
        ]
        if engine.is_docker:
            arguments += [f"--build-context={ref}=docker-image://{name}" for ref, name, _ in stand_ins]
            # No file carries the day on which it was built: the same files give the same digest.
            arguments += ["--build-arg=SOURCE_DATE_EPOCH=0", "--provenance=false", f"--label={BASE_LABEL}={base}"]
            arguments += [engine.buildx_output(recipe.name, scratch, tell=tell)]
        else:
            arguments += [f"--build-context={ref}=container-image://{name}" for ref, name, _ in stand_ins]
            # The host's network: a second engine on the machine may claim the same addresses as this one's.
            layers = "--layers" if _has_history(engine, recipe, stand_ins) else "--layers=false"
            kept = "--format=docker" if needs_docker_format(_dockerfile(recipe)) else _SEALED
            arguments += [_DATELESS, kept, layers, "--network=host", f"--iidfile={scratch / 'id'}"]
            arguments += [f"--label={STAGE_LABEL}=image"]
        used: set[str] = set()

        def hear(line: str) -> None:
            used.update(_CACHED.findall(line))
            tell(line)

        _run(engine, [*arguments, str(context)], scratch, recipe, hear, stand_ins)
        if engine.is_docker:
            engine.load_output(scratch)
        else:
            _seal(engine, recipe, base, scratch, tell)
            with suppress(EngineError, ImageError):  # Podman lists no images while another process removes one.
                _keep_cache(engine, recipe, tuple(used))


def _seal(engine: Engine, recipe: Recipe, base: str, scratch: Path, tell: Callable[[str], None]) -> None:
    """Leave out the history, which differs by machine; the build cannot, as its cache is found by it."""
    built = (scratch / "id").read_text(encoding="ascii").strip().removeprefix("sha256:")
    dockerfile = scratch / "Dockerfile"
    programs = programs_of_shells(_dockerfile(recipe), recipe.target)
    dockerfile.write_text("\n".join([f"FROM {built}", *programs]) + "\n", encoding="ascii")
    (scratch / "nothing").mkdir()
    arguments = ["build", f"--platform={recipe.platform}", f"--file={dockerfile}", f"--label={BASE_LABEL}={base}"]
    # The annotation would be the digest of what was just built, history and all.
    arguments += [_DATELESS, _SEALED, "--annotation=org.opencontainers.image.base.digest=", "--layers=false"]
    arguments += ["--omit-history", f"--tag={recipe.name}", str(scratch / "nothing")]
    _run(engine, arguments, scratch, recipe, tell)


def _has_history(engine: Engine, recipe: Recipe, stand_ins: list[tuple[str, str, str]]) -> bool:
    """Whether the images that a build begins with have one: upon others Podman 4 builds without cached layers only."""
    known = {reference: name for reference, name, _ in stand_ins}
    found = (engine.image(known.get(each, each)) for each in base_images(_dockerfile(recipe)))
    return all(image.get("History") or image.get("OCIv1", {}).get("history") for image in found if image is not None)


def _keep_cache(engine: Engine, recipe: Recipe, used: tuple[str, ...]) -> None:
    """Name what the next build of the service can begin with, and remove what no build can any more."""
    place = f"{recipe.name.rpartition(':')[0]}/{CACHE}"
    before = {name: image for name, image in engine.image_names().items() if name.startswith(f"{place}:")}
    untagged = untagged_images(engine)
    kept = sorted({each for each in (*untagged, *map(_plain, before.values())) if each.startswith(used)})
    names = {f"{place}:{recipe.tag}-{number}": image for number, image in enumerate(kept)}
    for name, image in names.items():
        engine.run("tag", image, name)
    remove_images(engine, [*(before.keys() - names.keys()), *(each for each in untagged if each not in kept)])


def untagged_images(engine: Engine) -> list[str]:
    """The ids of images that builds have left, and that have no name any more."""
    found: set[str] = set()
    for label in (STAGE_LABEL, BASE_LABEL):
        listed = engine.run("images", "--quiet", "--no-trunc", "--filter=dangling=true", f"--filter=label={label}")
        found.update(each for each in map(_plain, listed.split()) if re.fullmatch(r"[0-9a-f]{64}", each))
    return sorted(found)


def remove_images(engine: Engine, images: Iterable[str]) -> None:
    """Remove images, and what they alone were built on. One that is in use stays."""
    for image in sorted(images):
        with suppress(EngineError, ImageError):
            engine.run("rmi", image)


def _plain(image_id: str) -> str:
    return image_id.removeprefix("sha256:")


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other build of this user's is under way. Who had the lock before has removed its file."""
    path, held = runtime_directory() / "nova-build.lock", False
    while not held:
        with path.open("w", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                held = os.path.samestat(os.fstat(file.fileno()), path.stat())
            if held:
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)


def _stand_ins(engine: Engine, recipe: Recipe) -> list[tuple[str, str, str]]:
    """Images of other registries that the Dockerfile names and a local image stands in for: reference, name, id."""
    found = []
    for reference in base_images(_dockerfile(recipe)):
        name = f"localhost/{reference.partition('@')[0].rpartition('/')[2]}"
        if reference != name and (image := engine.image(name)) is not None:
            _check_architecture(engine, recipe, image, reference, name)
            found.append((reference, name, str(image.get("Id") or image.get("FromImageID"))))
    return found


def _check_architecture(engine: Engine, recipe: Recipe, image: Mapping[str, Any], reference: str, name: str) -> None:
    """Refuse a base for another architecture: Podman and Buildah would ask a registry called localhost for a right one.

    Docker's store may hold one name for several, and says only one of them. A stage with ``--platform`` wants another.
    """
    wanted = recipe.platform.rpartition("/")[2]
    given = image.get("Architecture") or image.get("OCIv1", {}).get("architecture") or wanted
    is_begun_with = re.search(rf"^\s*FROM\s+{re.escape(reference)}(\s|$)", _dockerfile(recipe), re.I | re.M)
    if given != wanted and is_begun_with and not engine.is_docker:
        raise EngineError(
            f"{recipe.name.rpartition('/')[2]}: is built for {wanted}, and {name}, which stands in for {reference}, is "
            f"for {given}: replace it with one for {wanted}, or remove it where the registry can be reached"
        )


def _dockerfile(recipe: Recipe) -> str:
    [dockerfile] = [file.content for file in recipe.files if file.path == recipe.dockerfile] or [b""]
    return dockerfile.decode(errors="replace")


def base_images(dockerfile: str) -> list[str]:
    """The images that a Dockerfile begins its stages with, its own stages and ``scratch`` left out."""
    stages, images = {"scratch"}, []
    for line in dockerfile.splitlines():
        if match := re.match(r"\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", line, re.IGNORECASE):
            image, stage = match.groups()
            if image.lower() not in stages and image not in images and "$" not in image:
                images.append(image)
            if stage:
                stages.add(stage.lower())
    return images


def _labels(image: Mapping[str, Any]) -> Mapping[str, str]:
    """What an engine says of an image's labels; Buildah's ``Config`` is a text."""
    config = image.get("Config") if isinstance(image.get("Config"), dict) else image.get("OCIv1", {}).get("config")
    labels = image.get("Labels") or (config or {}).get("Labels")
    return labels if isinstance(labels, dict) else {}


def _secrets() -> Iterator[tuple[str, str]]:
    for name, places in _SECRETS.items():
        for place in places:
            path = os.environ.get(place, os.devnull) if place.isupper() else place
            if Path(path).expanduser().is_file():
                yield name, str(Path(path).expanduser())
                break


def _run(
    engine: Engine,
    arguments: list[str],
    scratch: Path,
    recipe: Recipe,
    tell: Callable[[str], None],
    stand_ins: Iterable[tuple[str, str, str]] = (),
) -> None:
    lines: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        process = subprocess.Popen(
            [engine.program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "TMPDIR": str(scratch)},
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(f"{engine.program}: cannot be run: {error.strerror}: reinstall it") from None
    assert process.stdout is not None, "opened with a pipe"
    with _ended(process, engine):
        for line in process.stdout:
            lines.append(line.rstrip())
            tell(lines[-1])
        code = process.wait()
    if code:
        raise build_error(engine.program, recipe.name.rpartition("/")[2], list(lines), _dockerfile(recipe), stand_ins)


@contextmanager
def _ended(process: subprocess.Popen[str], engine: Engine) -> Iterator[None]:
    """On an interruption end the build so that the engine itself clears away what it was working on.

    Podman and Buildah that are ended leave their working containers mounted; where a step of theirs fails they do not.
    """
    try:
        yield
    except BaseException:
        deadline = time.monotonic() + _INTERRUPT_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if engine.is_docker:
                os.killpg(process.pid, signal.SIGINT)
            else:
                _end_step(process.pid)
            time.sleep(0.1)
        process.kill()
        process.wait()
        raise


def _end_step(pid: int) -> None:
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                if not child.name().startswith(_LEFT_ALONE):
                    child.kill()
