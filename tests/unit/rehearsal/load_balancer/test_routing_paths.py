import pytest

from nova_infra.rehearsal.load_balancer.routing import normalized


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("/a/b", "/a/b"),
        ("/", "/"),
        ("", "/"),
        ("/a/", "/a/"),
        ("/a?b=/../c", "/a"),
        ("http://shop.test/a/../b?c", "/b"),
        ("http://shop.test", "/"),
        # RFC 3986, 5.2.4: dot segments.
        ("/a/b/c/./../../g", "/a/g"),
        ("/a/../admin", "/admin"),
        ("/../../a", "/a"),
        ("/a/..", "/"),
        ("/a/b/.", "/a/b/"),
        ("/a//b", "/a//b"),
        # 6.2.2.2: escapes of what needs none; others keep their meaning.
        ("/%61dmin", "/admin"),
        ("/a/%2E%2e/b", "/b"),
        ("/a%2fb", "/a%2Fb"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/100%", "/100%"),
        ("/%7euser", "/~user"),
    ],
)
def test_a_path_is_compared_in_its_plainest_form(sent: str, path: str) -> None:
    assert normalized(sent) == path
    assert normalized(path) == path
