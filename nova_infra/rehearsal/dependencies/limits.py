"""``max_connections`` of a dependency in production: by its command, or by what RDS has by default."""

import re
from dataclasses import dataclass

from nova_infra.config import Dependency

_COMMAND = re.compile(r"(?:max[_-]connections[= ]|^postgres (?:.* )?-N ?)(\d+)")


@dataclass(frozen=True)
class _Product:
    """A database, by what its images are called.

    Attributes:
        images: Matches the last part of an image's name.
        reserved: How many of them it keeps for its administrators.
        of_rds: How many RDS takes by default for each GiB of its instance's memory.
    """

    name: str
    images: re.Pattern[str]
    port: int
    default: int
    reserved: int
    of_rds: int


# Of RDS: memory / 9,531,392 for PostgreSQL, and memory / 12,582,880 for MySQL and MariaDB.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections
_PRODUCTS = (
    # max_connections and superuser_reserved_connections:
    # https://www.postgresql.org/docs/current/runtime-config-connection.html
    _Product("PostgreSQL", re.compile(r"postg|pgvector|timescale"), 5432, 100, 3, 112),
    # max_connections; one more is for administrators:
    # https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html#sysvar_max_connections
    _Product("MySQL", re.compile(r"mysql|mariadb|percona"), 3306, 151, 0, 85),
)


@dataclass(frozen=True)
class Limit:
    """The most connections that services may hold together.

    Attributes:
        origin: Where it comes from, in a clause.
    """

    connections: int
    origin: str


def limit_of(dependency: Dependency) -> Limit | None:
    """A dependency's limit: from nova.toml, else its command, else its product's default; None if unknown."""
    product = _product(dependency)
    reserved = product.reserved if product else 0
    kept = f", {reserved} of them reserved for administrators" if reserved else ""
    set_to = _COMMAND.search(" ".join(dependency.command or ()))
    if (said := dependency.max_connections) is not None:
        return Limit(said - reserved, f"its max_connections of {said} in nova.toml{kept}")
    if set_to is not None:
        return Limit(int(set_to[1]) - reserved, f"the max_connections of {set_to[1]} in its command{kept}")
    if product is None:
        return None
    other = f"RDS has about {product.of_rds} for each GiB of its instance class: state max_connections in nova.toml"
    origin = f"{product.name}'s own default max_connections of {product.default}{kept}; {other}"
    return Limit(product.default - reserved, origin)


def _product(dependency: Dependency) -> _Product | None:
    name = (dependency.image or "").rpartition("/")[2].partition("@")[0].partition(":")[0]
    for each in _PRODUCTS:
        if each.images.search(name) or (dependency.build is not None and dependency.port == each.port):
            return each
    return None
