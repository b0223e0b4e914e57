"""Servers of pictures: a good one, and one whose certificate nobody vouches for."""

import socket
import ssl
import subprocess
import threading

import pytest

from tests.fakes.http_server import Answer, FakeServer
from tests.fakes.media_fetchers import PICTURE

CDN_HOST = "scontent-ams2-1.cdninstagram.com"


@pytest.fixture
def server():
    """Serves a good picture at every path."""
    with FakeServer(lambda _: Answer(body=PICTURE, headers={"Content-Type": "image/jpeg"})) as server:
        yield server


@pytest.fixture
def tls_server(tmp_path):
    """Speaks TLS with a certificate for the CDN's name that nobody vouches for; reports what came."""
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            tmp_path / "key",
            "-out",
            tmp_path / "cert",
            "-days",
            "2",
            "-subj",
            f"/CN={CDN_HOST}",
            "-addext",
            f"subjectAltName=DNS:{CDN_HOST}",
        ],
        check=True,
        capture_output=True,
    )
    heard = {"names": [], "bytes": b""}
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    tls.sni_callback = lambda _socket, name, _context: heard["names"].append(name)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            try:
                with tls.wrap_socket(connection, server_side=True) as secured:
                    heard["bytes"] = secured.recv(1000)
            except OSError as error:
                heard["error"] = str(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname(), heard, thread
    listener.close()
