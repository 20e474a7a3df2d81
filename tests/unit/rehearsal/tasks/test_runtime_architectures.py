"""Which architecture tasks run as, on a machine that does not run the one that their definition wants."""

from pathlib import Path
from typing import Any

import pytest

from nova_infra.assembly import DockerAsset
from nova_infra.containers import engine as module
from nova_infra.containers.engine import Engine
from nova_infra.rehearsal.tasks.definition import read_task_definition
from nova_infra.rehearsal.tasks.runtime import ImageRuntime

ARM = {"RuntimePlatform": {"CpuArchitecture": "ARM64"}}
HERE, DOUBTED = (
    "arm64: tasks for it ran as amd64 here, which is what this machine is",
    "only AWS knows whether shop is for",
)


@pytest.mark.parametrize(
    ("given", "asset", "emulator", "wanted", "gap", "doubt"),
    [
        ({}, True, "", "amd64", [], ""),
        (ARM, True, "", "amd64", [HERE], DOUBTED),
        (ARM, False, "", "arm64", [], ""),  # a project's own: it is built for what the project says
        (ARM, True, "qemu-aarch64", "arm64", [], ""),
    ],
)
def test_an_apps_image_is_built_for_this_machine_where_no_other_runs(
    given: dict[str, Any], asset: bool, emulator: str, wanted: str, gap: list[str], doubt: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "EMULATORS", tmp_path)
    monkeypatch.setattr("sys.platform", "linux")
    if emulator:
        (tmp_path / emulator).touch()
    task = {"Memory": "512", "ContainerDefinitions": [{"Name": "shop", "Image": "repository:77"}], **given}
    definition = read_task_definition(task, "shop:3")
    runtime = ImageRuntime(Engine("podman", "amd64"))
    for platform in ("linux/arm64", ""):
        runtime.assets = {"77": DockerAsset(tmp_path, "Dockerfile", {}, platform=platform)} if asset else {}
        assert runtime.as_here(definition).architecture == wanted
        assert list(runtime.gaps.values()) == gap
        assert runtime.doubts.get("shop:3", "").startswith(doubt if not platform else "")
        assert bool(runtime.doubts) == bool(doubt and not platform)
