"""HTTP requests to a deployed environment, such as for ``/version``."""

import urllib.error
import urllib.request

from nova_infra.deployed.model import Answer

_MAX_BYTES = 2**20


def http_get(url: str) -> Answer:
    """What an address answers; status 0 where it does not, with the reason as the body."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  the platform's own address
            return Answer(response.status, response.read(_MAX_BYTES).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.reason)
    except (OSError, ValueError) as error:
        return Answer(0, f"{url}: {getattr(error, 'reason', error)}")
