"""Reading what others have written."""

from pathlib import Path

import pytest

from nova_infra.documents.files import UnreadableFileError, read_file


@pytest.mark.parametrize(
    ("name", "fault"), [("n" * 256, "File name too long"), ("a\0b", "cannot be read"), ("", "a file")]
)
def test_a_name_that_no_file_has_is_a_fault_of_its_own_kind(tmp_path: Path, name: str, fault: str) -> None:
    with pytest.raises(UnreadableFileError, match=fault):
        read_file(tmp_path / name)
