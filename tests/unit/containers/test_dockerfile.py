from pathlib import Path

import pytest

from nova_infra.containers.dockerfile import program_of


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ('FROM a\nCMD ["python", "x.py"]\n', ("python", "x.py")),
        (
            'FROM a\nENTRYPOINT ["tini", "--"]\n# CMD ["no"]\nCMD ["python", \\\n  "x.py"]\n',
            ("tini", "--", "python", "x.py"),
        ),
        ("FROM a\ncmd python x.py\n", ("/bin/sh", "-c", "python x.py")),
        ('FROM a AS build\nCMD ["make"]\nFROM b\nRUN true\n', ()),
        ('FROM a\nCMD ["old"]\nENTRYPOINT ["new"]\n', ("new",)),
    ],
)
def test_what_a_dockerfile_runs(tmp_path: Path, text: str, program: tuple[str, ...]) -> None:
    (tmp_path / "Dockerfile").write_text(text)
    assert program_of(tmp_path / "Dockerfile") == program
