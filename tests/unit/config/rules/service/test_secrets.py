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
    "a password with a hash": "host=db password=#hunter22",
    "a password like the start of a pattern": "host=db password=^hunter22",
    "a password like a rate": "host=db password=1000/x7",
    "a password like a property": "host=db password=shop.hunter22",
    "a password like an id": "host=db password=id7x7",
    "a decimal password": "host=db password=12.34",
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
    "an option of another's": "--from-literal=password=swordfish",
    "a header whose value begins like a word": "X-Vault-Token: s.abcdef0123456789",
    "Docker's settings": '{"auths": {"r.example.com": {"auth": "c2hvcDp4N3g3eDc="}}}',
    "npm's settings": "_auth=c2hvcDp4N3g3eDc=",
    "npm's other settings": "//registry.example.com/:_authToken=abcdef0123456789",
    "netrc": "machine git.example.com login me password c4cd94da15ea0544",
    "a login of curl's": "curl -s -u shop:x7x7x7 https://example.com",
    "a login of curl's after an address of many": "curl 'https://example.com/?a=1&b=2' --user=shop:x7x7x7",
    "a login of curl's in the next line": "curl -s \\\n  -u shop:x7x7x7 https://example.com",
    "a login of curl's at a proxy": "curl -U 'shop:x7x7x7' https://example.com",
    "a login with a variable's user": "curl -u ${USER:-shop}:x7x7x7 https://example.com",
    "a URL with a variable's user": "postgres:" + "//${USER:-shop}:x7@db/shop",
    "a password of SSH's in quotes": "sshpass -p 'x7x7x7' ssh host",
    "a password of SSH's": "sshpass -p x7x7x7 ssh host",
    "a connection of Oracle's": "jdbc:oracle:thin:scott/" + "tiger1@//db:1521/x",
    "a private key in base64": "LS0tLS1CRUdJTi" + "BSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFb3dJQkFBS0NBUUVB",
    "a private key of PuTTY's": "PuTTY-User-Key-" + "File-2: ssh-rsa",
    "the hash of a password": "admin:$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
    "the hash of a password of Apache's": "admin:$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00",
    "the hash of a password of crypt's": "$6$rounds=5000$usesomesilly$D4IrlXatmP7rx3P3InaxBeoomnAihCKRVQAr/36eYlX0LAZ",
    "the hash of a password by yescrypt": "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
    "the hash of a password by Argon2": "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQxMjM$RdescudvJCsgt3ub+b2dWw",
    "a URL without a user": "redis:" + "//:x7@cache:6379",
    "the password of a key store": "-Djavax.net.ssl.keyStorePassword=changeit",
    "a password of five digits": "host=db password=12345",
    "a password like a path": "host=db password=/Xy7abcDEF",
    "a password like a place": "host=db password=@Passw0rd",
    "a random text with slashes": "aws_secret_access_key=" + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLE0KEY",
    "a password like what Docker mounts": "serve --token=id=Tr0ub4dor3xK9",
    "a secret like what Docker mounts": "secret=id=Tr0ub4dor3xK9",
    "a password like code": "serve --password=config.Hunter2Secret9",
    "a word like code": "serve --password=config.swordfish",
    "a word like deeper code": "serve --api-key=settings.shop.tangerine",
    "a signed address": "https://hooks.example.com/T0/B0?sig=4fKz0Lr8Qx2Wm7Vt1Yp6Nc3Bd5&se=2027-01-01",
    "a signature of S3's": "https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature=" + "4fd1a2e9" * 8,
    "a signature of CloudFront's": "https://cdn.example.com/k?Expires=1&Signature=AbC1dEf2GhI3jKl4MnO5pQ~~&Key-Pair-Id=K1",
    "a key of Azure's functions": "https://shop.azurewebsites.net/api/f?code=Zk1x9Lq0AAbbCCddEEff1122==",
    "a short password like code": "serve --password=config.hunter22",
    "a password like an address": "serve --password=redis://Hunter2S3cr3tx",
    "a password like a whole pattern": "serve --password=^Hunter2S3cr3t$",
    "the name as the password": "host=db password=PASSWORD",
    "the name as the secret": "serve --secret SECRET",
    "a mark that is none": "eos_token=kJhGfDsAqWeRtYuIoPlM",
    "a number after a limit that is none": "maximal=1 token=123456789",
}
HARMLESS = {
    "how a password is hashed": "$2y$10$",
    "what Argon2 takes": "$argon2id$v=19$m=65536,t=3,p=4",
    "the places of a pattern": "$1/$2/$3-$5$6",
    "a large number": "max_token=1000000",
    "the header of forgeries": "csrf-token=X-CSRF-TOKEN",
    "a header's name": "api_key=X-Api-Key, token: Authorization",
    "the password of public certificates": "-Djavax.net.ssl.trustStorePassword=changeit -Xmx1g",
    "a plan with a year": "Basic subscription2024",
    "a realm": 'WWW-Authenticate: Basic realm="shop-internal2"',
    "what a plan needs": "Basic authentication1 required, Bearer token-authentication=on",
    "times": "access_token=15m refresh_token=7d token=1h30m",
    "algorithms": "token=sha256 secret: SHA-512 password=bcrypt jwt_token=RS256",
    "a place in Vault": "secret=k8s/shop/db",
    "where credentials come from": "credentials=ecs aws_credentials=InstanceProfile credentials: same-origin",
    "tokens of a model": "eos_token=<|endoftext|> pad_token=[PAD] unk_token=<unk>",
    "a user of a container": "docker run -u 1000:1000 x",
    "a user of the next command": "curl -fsS http://config/x -o c && exec gosu -u 1000:1000 app",
    "a user after a pipe": "curl -fsS http://config/x | sudo -u 1000:1000 tee c; su --user 1000:1000",
    "a user in the next line": "curl -fsS http://config/x -o c\nchroot --user 1000:1000 / app",
    "a user of chroot's": "run-curl curl --userspec=1000:1000 / app",
    "a login that a command gives": "curl -u shop:`cat /run/secrets/shop` https://example.com",
    "a login that a variable gives": 'curl -u "${USER:-shop}:${PASSWORD:?}" https://example.com',
    "a password that a variable gives": 'sshpass -p "$PASSWORD" ssh host; sshpass -p `cat /run/ssh` ssh host',
    "a password that a command gives": "password=`cat /run/secrets/db`",
    "a URL with variables and defaults": "postgres:" + "//${USER:-shop}:${PASSWORD}@db/shop",
    "a key's alias": "serve --encryption-key alias/Prod_Signing1",
    "a certificate in base64": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUQ=",
    "fields to leave out": "redact=password,token,secret fields=password:hidden,token:hidden",
    "a shared zone": "limit_req_zone=$binary_remote_addr zone=token:10m",
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
    "a cookie's name": "session_token=__Host-session csrf_token=csrftoken csrf-token=XSRF-TOKEN",
    "a header's name with a number": "token=X-Auth-Token2",
    "a pattern": "token=^[A-Za-z0-9]{32}$",
    "a place in another vault": "token=op://vault/item/field1 password=aws-sm://prod/db1",
    "places in more vaults": "token=gcp-sm://db1 secret=ref+awssecrets://db1 password=azure-kv://db1 token=aws-ssm:///x1",
    "a place at Google": "secret=projects/1/secrets/db/versions/1",
    "a place at Microsoft": "password=@Microsoft.KeyVault(SecretUri=https://vault.example/db1)",
    "what Docker mounts": "--secret id=npmrc2 --secret=id=npm,src=/run/npm1 && x --secret id=Npm3,env=N1",
    "what code numbers": "password=settings.DB_PASSWORD_2 token=config.token2 secret=config.shop.clientSecret",
    "what code calls": "password=config.get('db') token=settings.auth.current secret=config.shared_secrets.old",
    "an address that will be signed": "https://b.example.com/k?sig={signature}&signature=HMAC-SHA256&code=1",
    "an address's other parts": "https://id.example.com/cb?code=abcdefghij1234567890&design=AbCdEfGhIj1234567890",
    "any text": "token=^.+$ secret=^\\d{6}$",
    "what Terraform fills in": "password=var.db_password1 token=local.token_2",
    "what code reads": "password: process.env.DB_PASSWORD2, token=os.environ['TOKEN2'] secret=sys.argv[1]",
    "what Spring fills in": "spring.datasource.password=#{vault2}",
    "a rate": "token=1000/s api_key=100r/s",
    "a price": "price_per_token=0.000002",
    "a manual": "usage: shop --token TOKEN --client-secret CLIENT-SECRET",
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


SECRET_VARIABLES = {
    "PGPASSWORD": "hunter22",
    "POSTGRES_PASSWORD": "password",
    "ADMIN_PASSWORD": "12345",
    "DB_PASSWORD": "@Passw0rd",
    "DB_PASS": "changeit",
    "RABBITMQ_DEFAULT_PASS": "guest1",
    "LDAP_BIND_PW": "x7x7",
    "MYSQL_PWD": "json",
    "KEYSTORE_PASSWORD": "changeit",
    "JWT_SIGNING_KEY": "s3cr3tS1gningK3yabcdef",
    "ENCRYPTION_KEY": "0123456789abcdef0123456789abcdef",
    "RAILS_MASTER_KEY": "0123456789abcdef0123456789abcdef",
    "FERNET_KEY": "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
    "APP_KEY": "base64:J63qRTDLub5NuZvP+kb8YIorGS6qFYHKVo6u7179stY=",
    "BASIC_AUTH": "shop:x7x7x7",
    "SESSION_SECRET": "keyboard cat",
    "PASSPHRASE": "correct horse battery staple",
    "CONSUL_HTTP_TOKEN": "8c2e1b6a-1111-4222-8333-abcdefabcdef",
    "ACCESS_TOKEN": "9223372036",
    "SHOP_TOKEN": "${OTHER}",
    "API_TOKEN": "id=Tr0ub4dor3xK9",
    "APP_STOP_TOKEN": "kJhGfDsAqWeRtYuIoPlM",
    "END_TOKEN": "swordfish",
    "START_TOKEN": "<kJhGfDsAqWeRtYuIoPlM>",
}
HARMLESS_VARIABLES = {
    "GOOGLE_APPLICATION_CREDENTIALS": "/etc/gcp.json",
    "DATABASE_PASSWORD": "/run/secrets/db",
    "LLM_MAX_TOKEN": "1000000",
    "MAX_TOKEN": "4096",
    "NUM_CREDENTIALS": "5",
    "USE_TOKEN": "true",
    "REQUIRE_API_KEY": "False",
    "ENABLE_CSRF_TOKEN": "1",
    "CSRF_TOKEN": "X-CSRF-TOKEN",
    "HASH_PASSWORD": "bcrypt",
    "NEXT_PUBLIC_MAPS_API_KEY": "abcdef0123",
    "VITE_MAP_TOKEN": "pk.abcdef0123",
    "REFRESH_TOKEN": "30d",
    "AWS_CREDENTIALS": "ecs",
    "TRUST_STORE_PASSWORD": "changeit",
    "ENCRYPTION_KEY": "1234abcd-12ab-34cd-56ef-1234567890ab",
    "SIGNING_KEY": "alias/shop-signing-key-2024",
    "SESSION_KEY": "shop-session-cookie-2",
    "PROXY_PASS": "http://localhost:8080",
    "PASSWORD_MIN_LENGTH": "12",
    "API_KEY_HEADER": "X-Api-Key2",
    "TOKEN_URL": "https://id.example.com/oauth2/token",
    "JWT_SECRET": "arn:aws:secretsmanager:us-east-1:111111111111:secret:x",
    "BASIC_AUTH": "enabled",
    "ADMIN_PASSWORD": "",
    "EOS_TOKEN": "</s>",
    "MODEL_PAD_TOKEN": "[PAD]",
    "STOP_TOKEN": "END",
    "BOS_TOKEN": "<|begin_of_text|>",
    "SEP_TOKEN": "###",
    "END_TOKEN": "[/INST]",
    "UNK_TOKEN": "<extra_id_0>",
    "MASK_TOKEN": "",
    "LLM_EOS_TOKEN": "<｜end▁of▁sentence｜>",
    "START_TOKEN": "<|START_OF_TURN_TOKEN|>",
}


@pytest.mark.parametrize(("name", "value"), SECRET_VARIABLES.items())
def test_a_variable_that_is_a_secret_is_refused(name: str, value: str) -> None:
    [fault] = in_variables("services[0].environment", {name: value})
    assert fault.startswith(f"services[0].environment.{name}: ")


@pytest.mark.parametrize(("name", "value"), HARMLESS_VARIABLES.items())
def test_a_variable_that_only_sounds_like_a_secret_is_accepted(name: str, value: str) -> None:
    assert list(in_variables("services[0].environment", {name: value})) == []


# Random: of openssl rand -hex, -base64 and -base32, and what its slashes and hyphens fall upon.
KEYS = [
    "9f86d081884c7d659a2feaa0c55ad015",
    "q8Xy7m/3ZpLw+Rk2Vt5N0w==",
    "JBSWY3DPEHPK3PXP5QABCDEF",
    "3q2-7wEAAAB_x9Zk1Lm0Pw",
    "aB3/dE5fGh7IjK/lMn9Op==",
    "abcd-efgh1jkl-mn2pqrs",
    "Xk-9fLq_2sTz/Rw7Bn4Vd",
    "XKCD-7QWR-BNMT-2PLK",
    "1234-5678-9012-3456",
]
NO_KEYS = [
    "alias/Prod_Signing1",
    "sessions-signing-key-v2",
    "projects/p1/locations/global/keyRings/R/cryptoKeys/k",
    "X-Hub-Signature-256",
    "key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "mrk-1234abcd12ab34cd56ef1234567890ab",
    "SESSIONS_SIGNING_KEY_V2",
    "arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "shop/prod/dataKey2",
    "orders.keys.v1.2024",
    "prod_eu_west_1_orders",
    "x-amz-server-side-encryption-1",
]


@pytest.mark.parametrize("name", ["ENCRYPTION_KEY", "HMAC_KEY", "DYNAMO_ENCRYPTION_KEY", "SIGNING_KEY"])
def test_a_random_key_is_told_from_the_name_of_one(name: str) -> None:
    key = "services[0].environment"
    assert [value for value in KEYS if not list(in_variables(key, {name: value}))] == []
    assert [value for value in NO_KEYS if list(in_variables(key, {name: value}))] == []


OF_A_COMMAND = ["curl -u shop:x7x7x7 https://example.com", "https:" + "//shop:x7@example.com"]


@pytest.mark.parametrize(
    "text", ["Authorization: Basic c2hvcDp4N3g3eDc=", "Bearer abcdef0123456789", "password=word", *OF_A_COMMAND]
)
@pytest.mark.parametrize("name", ["HEADER", "API_TOKEN"])
def test_what_may_be_no_secret_has_a_way_out(name: str, text: str) -> None:
    [fault] = in_variables("services[0].environment", {name: text})
    assert fault.endswith("; if it is no secret, write it into the Dockerfile, as ENV")
