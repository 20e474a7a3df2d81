"""Code that chooses a protocol, which a rehearsal without TLS cannot judge."""

from pathlib import Path
from typing import Any

import pytest

from nova_infra.config import parse_config
from nova_infra.rehearsal.delivery.schemes import chosen_protocols


def checkout(root: Path, line: str, name: str = "main.py") -> Path:
    place = root / "services" / "desk" / "src"
    place.mkdir(parents=True)
    (place.parent / "Dockerfile").write_text("FROM scratch\n")
    (place / name).write_text(f"import sys\nCHOSEN = 'https://'\n{line}\n")
    return root


@pytest.mark.parametrize(
    ("line", "scheme"),
    [
        ('url = url.replace("https://", "http://", 1)', "https://"),
        ("url = f'http://{host}/audio'", "http://"),
        ("const url = `http://${host}`", "http://"),
        ("scheme = 'https:'", "https:"),
        ('fmt.Sprintf("http://%s/", host)', "http://"),
        ("url = 'http://127.0.0.1:8080/health'", ""),
        ("# see https://example.com/", ""),
        ("if scope['type'] == 'http': pass", ""),
        ("CHOSEN = 'https://'", ""),
    ],
)
@pytest.mark.parametrize("domain", [True, False])
def test_a_changed_line_that_chooses_a_protocol_is_doubted(
    raw: dict[str, Any], tmp_path: Path, line: str, scheme: str, domain: bool
) -> None:
    candidate, baseline = (checkout(tmp_path / name, each) for name, each in (("new", line), ("old", "")))
    raw["services"] = [{**raw["services"][0], "name": "desk"}]
    config = parse_config(raw)
    names = [each.name for each in config.environments if each.domain is not None]
    if not domain:
        plain = tuple(each.model_copy(update={"domain": None}) for each in config.environments)
        config = config.model_copy(update={"environments": plain})
    place = ", ".join(names)
    clause = f"only AWS knows where desk gets by {scheme!r} (services/desk/src/main.py:3) in {place}: here all is HTTP"
    assert names
    assert list(chosen_protocols(config, candidate, baseline)) == [clause] * bool(scheme and domain)
    assert list(chosen_protocols(config, candidate, candidate)) == []
    assert list(chosen_protocols(None, candidate, baseline)) == []
