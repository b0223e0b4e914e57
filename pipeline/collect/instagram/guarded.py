"""Connections that go to a judged IP and nowhere else: an adapter for `requests`.

Law: a host's name is looked up once per connection; every IP that comes back is judged, and the connection goes to one
of those IPs. There is no second look-up that could answer something else. The certificate is still checked against the
host's name.
Covered: names that resolve to private IPs, names that resolve differently the second time.
Not covered: proxies; a session with this adapter must not use one (`trust_env = False`), the proxy would look up anew.
"""

import socket
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from pipeline.collect.instagram.addresses import AllowedHosts
from pipeline.collect.web.errors import RefusedError, RetryError

Resolve = Callable[..., list[Any]]
"""As `socket.getaddrinfo`."""

Dial = Callable[[tuple[str, int], float], socket.socket]
"""As `socket.create_connection`: an IP and a port, and the seconds it may take."""


class GuardedAdapter(HTTPAdapter):
    """Sends requests over connections to judged IPs; keeps them alive."""

    def __init__(
        self,
        allowed: AllowedHosts,
        timeout_s: float,
        resolve: Resolve = socket.getaddrinfo,
        dial: Dial = socket.create_connection,
    ) -> None:
        self._allowed, self._timeout_s, self._resolve, self._dial = allowed, timeout_s, resolve, dial
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of connections, as requests wants it, of guarded ones."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._connect)

    def _connect(self, host: str, port: int) -> socket.socket:
        """A socket that is connected to one of the host's judged IPs.

        Raises:
            RefusedError: `refused_address`, one of the IPs is not public.
            RetryError: `dns`, `timeout` or `no_connection`.
        """
        reason = "dns"
        ips = self._ips(host, port)
        self._allowed.check_ips(host, port, ips)
        for ip in ips:
            try:
                return self._dial((ip, port), self._timeout_s)
            except TimeoutError:
                reason = "timeout"
            except OSError:
                reason = "no_connection"
        raise RetryError(reason)

    def _ips(self, host: str, port: int) -> list[str]:
        try:
            found = self._resolve(host, port, type=socket.SOCK_STREAM)
        except UnicodeError:  # a label that is empty or too long
            raise RefusedError("refused_address") from None
        except OSError:
            raise RetryError("dns") from None
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def follow_nothing(session: requests.Session) -> None:
    """Let a session leave redirects alone: even with `allow_redirects=False` it reads their whole body, however long,
    and trips over their address.
    """
    session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]


def _pools(connect: Callable[[str, int], socket.socket]) -> dict[str, type[HTTPConnectionPool]]:
    class GuardedHTTPConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self.host, self.port)

    class GuardedHTTPSConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:  # the host's certificate is checked by the caller of this
            return connect(self.host, self.port)

    class GuardedHTTPPool(HTTPConnectionPool):
        ConnectionCls = GuardedHTTPConnection

    class GuardedHTTPSPool(HTTPSConnectionPool):
        ConnectionCls = GuardedHTTPSConnection

    return {"http": GuardedHTTPPool, "https": GuardedHTTPSPool}
