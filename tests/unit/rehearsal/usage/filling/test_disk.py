"""What is on a task's disk."""

from pathlib import Path

from nova_infra.rehearsal.usage.filling.disk import of_container, written

MOUNTS = """\
22 27 0:21 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir={upper},workdir=/w
23 22 8:1 /v /tmp rw,relatime - ext4 /dev/sda1 rw
24 22 8:1 /c /etc/hosts rw,relatime - ext4 /dev/sda1 rw
25 22 8:1 /r /data ro,relatime - ext4 /dev/sda1 rw
26 22 0:9 / /dev/shm rw,relatime - tmpfs shm rw
"""


def test_files_below_a_directory_count_by_their_blocks(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a").write_bytes(b"x" * 2**20)
    (tmp_path / "b").write_bytes(b"x" * 2**20)
    (tmp_path / "link").symlink_to(tmp_path / "b")
    assert 2 <= written([tmp_path]) < 2.1
    assert written([tmp_path / "gone"]) == 0


def test_directories_of_very_many_files_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 2**20)
    for number in range(4):
        (tmp_path / str(number)).touch()
    assert written([tmp_path] * 1000) > 0
    assert written([tmp_path] * 1001) == 0


def test_a_container_writes_to_its_layer_and_to_what_is_mounted_to_be_written(tmp_path: Path) -> None:
    root = tmp_path / "7" / "root"
    for place in ("tmp", "data", "etc", "dev/shm"):
        (root / place).mkdir(parents=True)
    (root / "etc" / "hosts").touch()
    (tmp_path / "7" / "mountinfo").write_text(MOUNTS.format(upper=tmp_path / "upper"))
    assert of_container(7, proc=tmp_path) == [tmp_path / "upper", root / "tmp"]
    assert of_container(8, proc=tmp_path) == []
