from types import ModuleType

import pytest

from helpers.scripts import load_script


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("image_contents")


@pytest.mark.parametrize(
    "path",
    [
        "usr/bin/gcc-14",
        "usr/bin/make",
        "usr/local/bin/pip3.13",
        "opt/nova/bin/pip",
        "opt/nova/lib/python3.13/site-packages/pip/__init__.py",
        "usr/lib/python3/dist-packages/setuptools/build_meta.py",
        "opt/nova/lib/python3.13/site-packages/numpy/linalg/tests/test_linalg.py",
        "opt/nova/src/audio_service/tests/test_audio.py",
        "usr/lib/python3.13/ensurepip/_bundled/pip.whl",
        "usr/include/stdio.h",
    ],
)
def test_what_builds_or_tests_is_found(script: ModuleType, path: str) -> None:
    [fault] = script.faults_of(100, ["opt/nova/src/audio_service/main.py", path])
    assert fault == f"holds 1 files that nothing runs, such as {path}"


@pytest.mark.parametrize(
    "path",
    ["usr/bin/python3.13", "usr/bin/perl", "opt/nova/src/nova_kit/selftest.py", "usr/share/make/x", "usr/bin/assemble"],
)
def test_what_a_service_runs_may_stay(script: ModuleType, path: str) -> None:
    assert script.faults_of(100, [path]) == []


def test_an_image_that_has_grown_is_a_fault(script: ModuleType) -> None:
    assert script.faults_of(script.MOST_MEGABYTES, []) == []
    assert script.faults_of(script.MOST_MEGABYTES + 1, []) == ["has 417 MB, more than 416"]
