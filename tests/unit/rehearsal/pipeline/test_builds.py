"""What is said of a command that failed."""

import pytest

from nova_infra.rehearsal.pipeline.builds import why_it_failed

TAG = "8c70a0725ba0" + "4" * 52
NO_NPM = "its image does not build: STEP 4/8: RUN npm install / /bin/sh: 1: npm: not found"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], ""),
        (["make: *** [Makefile:7: images] Error 1"], ""),
        (
            ["FAILED tests/test_a.py::test_b - assert 0", "1 failed in 2 s", "make: *** x"],
            "; FAILED tests/test_a.py::test_b - assert 0",
        ),
        (["STEP 1", f"desk:{TAG}: {NO_NPM}", "make: *** x"], f"; desk:8c70a0725ba0: {NO_NPM}"),
        (
            ["built keep", f"desk:{TAG}: no", f"mail:{TAG}: no", "a word between", f"desk:{TAG}: no"],
            "; desk:8c70a0725ba0: no; mail:8c70a0725ba0: no",
        ),
        ([f"s{n}:{TAG}: no" for n in range(5)], "; s0:8c70a0725ba0: no; s1:8c70a0725ba0: no; s2:8c70a0725ba0: no; …"),
        (["all is well", "error: no space", "bye", "make[2]: *** x"], "; error: no space"),
        (["x" * 300], f"; {'x' * 200}…"),
    ],
)
def test_a_command_that_failed_says_why(lines: list[str], said: str) -> None:
    assert why_it_failed("\n".join(["error: of a command before", *lines]), lines) == said
