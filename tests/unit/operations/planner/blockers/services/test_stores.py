"""Directories of EFS that nobody may enter."""

from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "visits")


def said(mode: Any, *, uid: str = "1000", gid: str = "1001", more: tuple[str, ...] = ()) -> list[str]:
    """What the plan says of a directory that belongs to 7 and its group 8."""
    user = {"Uid": uid, "Gid": gid, "SecondaryGids": list(more)}
    made = {"OwnerUid": "7", "OwnerGid": "8", "Permissions": mode}
    point = {"PosixUser": user, "RootDirectory": {"Path": "/visits", "CreationInfo": made}}
    resources = {
        "Files": {"Type": "AWS::EFS::FileSystem"},
        "Point": {"Type": "AWS::EFS::AccessPoint", "Properties": {"FileSystemId": {"Ref": "Files"}, **point}},
    }
    [planned] = plan([], [[StackTemplate(KEY, {"Resources": resources})]]).stacks
    assert planned.refusals == ()
    return [str(each) for each in planned.consequences if "may not enter" in each.what]


def test_a_user_who_may_not_enter_the_directory_of_his_access_point_is_named() -> None:
    where = "visits.Point.RootDirectory.CreationInfo"
    fault = "its user 1000 may not enter the directory that it makes, which belongs to 7 with 750"
    assert said("750") == [f"{where}: {fault}: tasks that write there fail, unless it is there already"]
    assert len(said("0640", uid="7")) == len(said("705", gid="8")) == len(said("705", more=("3", "8"))) == 1


@pytest.mark.parametrize(
    "found",
    [
        said("755"),
        said("750", uid="7"),
        said("750", gid="8"),
        said("750", more=("8",)),
        said("700", uid="0"),
        said({"Ref": "AWS::Region"}),
        said("750", uid="${Uid}"),
    ],
)
def test_who_may_enter_it_or_is_not_known_is_not(found: list[str]) -> None:
    assert found == []
