"""Which services the rules of the project are for: those on the kit. The others have rules and tests of their own."""

from pathlib import Path

import pytest

from nova_infra.machine.kit import main, on_kit, others


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("kit", "tests", "__pycache__", ".cache", "words", "gate", "left-over"):
        (tmp_path / "services" / name).mkdir(parents=True)
    (tmp_path / "nova.toml").write_text("""
[[services]]
name = "words"
kit = true
[[services]]
name = "gate"
[[services]]
name = "ready"
image = "ghcr.io/acme/ready:1"
""")
    return tmp_path


def test_a_service_is_on_the_kit_where_its_entry_says_so(project: Path) -> None:
    assert on_kit(project) == {"words"}


def test_every_other_directory_is_somebody_elses_but_what_all_share(project: Path) -> None:
    assert others(project) == ["gate", "left-over"]


@pytest.mark.parametrize("text", ["services = 3", "[[services]", "services = [1, 2]", None])
def test_where_nova_toml_says_nothing_none_is(project: Path, text: str | None) -> None:
    (project / "nova.toml").unlink()
    if text is not None:
        (project / "nova.toml").write_text(text)
    assert on_kit(project) == set()


def test_the_makefile_gets_them_a_line_each(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--others"], project) == main([], project) == 0
    assert capsys.readouterr().out == "gate\nleft-over\nwords\n"
