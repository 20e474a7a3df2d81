"""Tags the images of a release in ECR with the release's name."""

from collections.abc import Mapping

from nova_infra.errors import RefusedError
from nova_infra.images.registry import Registry


def promote(registries: Mapping[str, Registry], *, tags: Mapping[str, str], release: str) -> list[str]:
    """Add a tag to each service's image: to all of them or none.

    Nothing is copied or built: the environments run images from the one registry, so what was tested under one name is,
    bit for bit, what is deployed under the other.

    Returns:
        A sentence for each service.

    Raises:
        RefusedError: An image is missing, or another one has the release's tag; no image has been given it.
    """
    images = {service: registry.find(tags[service]) for service, registry in registries.items()}
    missing = [f"{registries[service].name}:{tags[service]}" for service, image in images.items() if image is None]
    if missing:
        raise RefusedError(f"{', '.join(missing)}: not in the registry: build it first, with nova image build")
    for service, registry in registries.items():
        named = registry.find(release)
        if named is not None and named != images[service]:
            raise RefusedError(
                f"{registry.name}:{release}: already names another image, and tags never move: choose another tag"
            )
    said = []
    for service, registry in registries.items():
        image = images[service]
        assert image is not None, "the missing ones were refused above"
        done = "is" if registry.add_tag(image, release) else "was already"
        said.append(f"{registry.name}:{tags[service]} {done} {release}")
    return said
