"""What a variable or an argument gives away, and what only looks like it."""

import pytest

from nova_infra.config.rules.service.secrets import in_variables

GIVEN = {
    "a header of telemetry": "api-key=abcdef0123",
    "the second header of two": "x-team=shop,x-api-key=abcdef0123",
    "a login in a header": "Authorization=Basic%20c2hvcDp4N3g3eDc=",
    "a login by a token": "Authorization: Bearer abcdef0123456789",
    "a header": "X-Api-Key: abcdef0123",
    "a connection": "host=db password=x7",
    "a quoted password": "host=db password='x7 x8'",
    "a password like a word": "host=db;password=swordfish;",
    "a password of digits": "host=db password=123456",
    "an option": "serve --password=hunter2",
    "an option and the next word": "serve --api-key ABCdef0123",
    "a property of Java's": "-Xmx1g -Dpassword=x7",
    "a longer property of Java's": "-Dspring.datasource.password=x7",
    "JSON": '{"host": "db", "password": "swordfish"}',
    "JSON within JSON": r"{\"api_key\":\"abcdef0123\"}",
    "YAML": "host: db\npassword: x7",
    "settings with blanks": "host = db password = x7",
    "settings with blanks and quotes": "password = 'swordfish'",
    "a name of two words": '{"clientSecret": "swordfish"}',
    "a connection of .NET's": "Server=db;Uid=shop;Pwd=swordfish",
    "a connection of Azure's": "AccountName=shop;AccountKey=abcdef==;EndpointSuffix=core.windows.net",
    "an address": "https://example.com/?a=b&token=x7",
    "a URL with a password": "postgres:" + "//shop:x7@db/shop",
}
HARMLESS = {
    "a query": "SELECT * FROM u WHERE token=?",
    "a query of many": "UPDATE u SET token=?, password=? WHERE (secret=?)",
    "a query with names": "SELECT * FROM u WHERE token=:token AND secret=@secret AND password=$1",
    "a query with blanks": "SELECT * FROM u JOIN t ON u.token = t.token2 WHERE password = ? AND secret = hash",
    "a directory": "PWD=/srv/app",
    "what kind it is": "https://example.com/cb?token=json",
    "a format of Python's": "%(asctime)s token=%(token)s",
    "a format of C's": "password=%s token=%-8s",
    "a format of Envoy's": "token=%REQ(X-TOKEN)%",
    "a template": "password=<your password>",
    "a list": "token=[a-z]+",
    "another template": "password={{ password }} secret={secret}",
    "a variable": "password=${PASSWORD} token=$TOKEN",
    "a URL with a variable": "postgres:" + "//shop:${PASSWORD}@db/shop",
    "a URL with a template": "postgres:" + "//shop:{password}@db/shop",
    "a URL with a format": "postgres:" + "//shop:%s@db/shop",
    "what is masked": "password=*** token=xxxx secret=…",
    "a file": "--password-file=/run/x credentials=keys.json token=file:///run/x",
    "an address": "token=https://login.example.com/token",
    "an ARN": "secret=arn:aws:secretsmanager:us-east-1:111111111111:secret:x",
    "a switch": "token=required --no-password --token=true",
    "a number": "max_token=4096",
    "nothing": "password= token=",
    "a kind of grant": "grant_type=password&token_type=bearer",
    "scopes": "token:read secret:write",
    "a cast": "SELECT token::text",
    "a schema": '{"token": {"type": "string"}, "secret": "string", "password": null}',
    "prose": "Forgot your password: click here. Password: Ask. Give --token to log in by Bearer authentication.",
    "an image by its digest": "nginx@sha256:0123456789abcdef",
    "a time": "12:30:00",
}


@pytest.mark.parametrize("text", GIVEN.values(), ids=GIVEN.keys())
def test_a_text_that_gives_a_secret_is_refused(text: str) -> None:
    [fault] = in_variables("services[0].environment", {"TEXT": text})
    assert fault.startswith("services[0].environment.TEXT: holds ")


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_text_that_gives_none_is_accepted(text: str) -> None:
    assert list(in_variables("services[0].environment", {"TEXT": text})) == []


@pytest.mark.parametrize(
    ("key", "way_out"),
    [("services[0].environment", "as ENV"), ("images.build_arguments", "as the default of ARG")],
)
def test_whoever_is_refused_for_nothing_reads_what_he_can_do(key: str, way_out: str) -> None:
    [fault] = in_variables(key, {"PATTERN": "token=[^&]*&password=word"})
    assert fault.endswith(f"; if it is no secret, write it into the Dockerfile, {way_out}")
