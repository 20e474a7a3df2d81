"""Finds changed code that chooses ``http`` or ``https`` itself: a rehearsal cannot judge it.

In AWS an environment with a domain is reached by HTTPS alone, and its port 80 redirects. Here each URL of it leads to
this machine without TLS, so replacing ``https://`` by ``http://`` changes nothing.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from nova_infra.config import Config
from nova_infra.images.tags import image_sources

_CHOSEN = re.compile(rb"[\"'`](https?:(?://)?)[\"'`{$%]", re.IGNORECASE)
_PROSE = (".md", ".rst", ".txt")


def chosen_protocols(config: Config | None, candidate: Path, baseline: Path) -> Iterator[str]:
    """Changed lines of services, one of each, that choose a protocol where an environment speaks TLS, a clause each.

    Args:
        config: The candidate's.
        candidate: Its checkout.
        baseline: The checkout of what it replaces.
    """
    names = [each.name for each in config.environments if each.domain is not None] if config is not None else []
    if config is None or not names or candidate == baseline:
        return
    for source in image_sources(candidate, config):
        service = config.service(source.service)
        base = Path("services") if service.kit else Path(service.context or f"services/{service.name}")
        for file in source.files:
            if _CHOSEN.search(file.content) is None or file.path.endswith(_PROSE):
                continue
            old = baseline / base / file.path
            known = set(old.read_bytes().splitlines()) if old.is_file() else set()
            lines = enumerate(file.content.splitlines(), start=1)
            changed = [(n, found[1]) for n, line in lines if line not in known and (found := _CHOSEN.search(line))]
            if changed:
                (number, scheme), where = changed[0], (base / file.path).as_posix()
                yield (
                    f"only AWS knows where {service.name} gets by {scheme.decode()!r} ({where}:{number}) in "
                    f"{', '.join(names)}: here all is HTTP"
                )
                break
