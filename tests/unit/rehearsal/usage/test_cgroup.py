"""What control groups of both versions say of a container, from files as the kernel writes them."""

from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.rehearsal.usage.cgroup import ControlGroup

ID = "3fd1c0ffee"
PID = 77
ENGINES = {
    "Docker, version 2": f"system.slice/docker-{ID}.scope",
    "Docker without systemd, version 2": f"docker/{ID}",
    "Podman with runc, version 2": f"machine.slice/libpod-{ID}.scope",
    # The scope has the limit; whether the group within it has files of the memory's depends on crun's version.
    "rootless Podman with crun, version 2": f"user.slice/user@1000.service/user.slice/libpod-{ID}.scope",
}


def write(directory: Path, **files: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text, encoding="ascii")


def version_2(root: Path, path: str) -> None:
    write(
        root / path,
        cpu__stat="usage_usec 2500000\nuser_usec 2000000\nthrottled_usec 300000\n",
        memory__stat="anon 73400320\nfile 999999999\nshmem 4194304\n",
        memory__events="low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n",
        cgroup__procs="77\n78\n",
    )


def version_1(root: Path, path: str) -> None:
    write(root / "cpuacct" / path, cpuacct__usage="2500000000\n")
    write(root / "cpu" / path, cpu__stat="nr_periods 9\nnr_throttled 3\nthrottled_time 300000000\n")
    write(
        root / "memory" / path,
        memory__stat="rss 1\ntotal_cache 999999999\ntotal_rss 73400320\ntotal_shmem 4194304\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        cgroup__procs="77\n78\n",
    )


def read(tmp_path: Path, *lines: str) -> ControlGroup | None:
    write(tmp_path / "proc" / str(PID), cgroup="".join(f"{line}\n" for line in lines))
    return ControlGroup.of(PID, ID, root=tmp_path / "sys", proc=tmp_path / "proc")


def said(group: ControlGroup | None) -> tuple[object, ...]:
    assert group is not None
    used, throttled = group.processor_seconds(), group.throttled_seconds()
    return used, throttled, group.memory(), group.killed_for_memory(), group.processes()


SAME = (2.5, 0.3, 74.0, 2, [77, 78])


@pytest.mark.parametrize("path", one_of_each(ENGINES.values()), ids=ENGINES)
@pytest.mark.parametrize("within", one_of_each(["", "/container"]))
def test_version_2_is_read_from_the_group_that_has_the_files(tmp_path: Path, path: str, within: str) -> None:
    version_2(tmp_path / "sys", path)
    (tmp_path / "sys" / f"{path}{within}").mkdir(exist_ok=True)
    group = read(tmp_path, f"0::/{path}{within}")
    assert said(group) == SAME
    assert group is not None
    # A program that presses on it joins the innermost group: others that have controllers take no processes.
    assert group.joined(for_memory=True) == {"": tmp_path / "sys" / f"{path}{within}"}


def test_version_1_says_the_same(tmp_path: Path) -> None:
    path = f"libpod_parent/libpod-{ID}"
    version_1(tmp_path / "sys", path)
    group = read(tmp_path, f"8:pids:/{path}", f"4:memory:/{path}", f"2:cpu,cpuacct:/{path}", f"0::/{path}")
    assert said(group) == SAME
    assert group is not None
    assert group.joined(for_memory=True) == {"memory": tmp_path / "sys" / "memory" / path}
    assert set(group.joined(for_memory=False)) == {"memory", "cpu", "cpuacct"}


def test_a_group_that_is_gone_used_nothing_that_is_known_and_its_neighbours_are_not_asked(tmp_path: Path) -> None:
    path = f"machine.slice/libpod-{ID}.scope"
    version_2(tmp_path / "sys", path)
    version_2(tmp_path / "sys", "machine.slice")
    group = read(tmp_path, f"0::/{path}")
    for file in (tmp_path / "sys" / path).iterdir():
        file.unlink()
    assert said(group) == (None, 0.0, None, 0, [])


@pytest.mark.parametrize("line", ["0::/", "0::/../../init.scope", "0::/user.slice/somebody-else.scope"])
def test_what_is_not_the_containers_own_group_is_not_followed(tmp_path: Path, line: str) -> None:
    version_2(tmp_path / "sys", "user.slice/somebody-else.scope")
    assert read(tmp_path, line) is None


@pytest.mark.parametrize("within", ["", "/container"])
def test_version_2_takes_a_limit_on_the_processor_where_the_file_is(tmp_path: Path, within: str) -> None:
    path = f"machine.slice/libpod-{ID}.scope"
    version_2(tmp_path / "sys", path)
    write(tmp_path / "sys" / path, cpu__max="max 100000\n")
    (tmp_path / "sys" / f"{path}{within}").mkdir(exist_ok=True)
    group = read(tmp_path, f"0::/{path}{within}")
    assert group is not None
    assert group.limit_processor(0.25)
    assert (tmp_path / "sys" / path / "cpu.max").read_text().startswith("25000 100000")


def test_version_1_takes_the_same_limit(tmp_path: Path) -> None:
    path = f"libpod_parent/libpod-{ID}"
    version_1(tmp_path / "sys", path)
    write(tmp_path / "sys" / "cpu" / path, cpu__cfs_period_us="50000\n", cpu__cfs_quota_us="-1\n")
    group = read(tmp_path, f"2:cpu,cpuacct:/{path}", f"4:memory:/{path}")
    assert group is not None
    assert group.limit_processor(1.5)
    files = tmp_path / "sys" / "cpu" / path
    texts = [(files / f"cpu.cfs_{name}_us").read_text().split() for name in ("period", "quota")]
    assert texts == [["100000"], ["150000"]]


def test_a_group_that_takes_no_limit_says_so(tmp_path: Path) -> None:
    version_2(tmp_path / "sys", f"docker/{ID}")
    group = read(tmp_path, f"0::/docker/{ID}")
    assert group is not None
    assert not group.limit_processor(0.25)
    assert not (tmp_path / "sys" / "docker" / ID / "cpu.max").exists(), "and no file is made for it"
