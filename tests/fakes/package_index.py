"""An index of Python wheels (PEP 503) and a registry of npm in one server, and the archives that they serve."""

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from urllib.parse import unquote

from tests.fakes.http_server import Answer, FakeServer, Request

WHEEL = "Wheel-Version: 1.0\nGenerator: fake\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel(name: str, version: str, *, compression: int = zipfile.ZIP_STORED, **files: bytes) -> bytes:
    """A wheel with these files; `__` in a name stands for a slash, `_dot_` for a dot."""
    body, info = io.BytesIO(), f"{name.replace('-', '_')}-{version}.dist-info"
    with zipfile.ZipFile(body, "w", compression) as archive:
        for path, content in files.items():
            archive.writestr(path.replace("__", "/").replace("_dot_", "."), content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", WHEEL)
        archive.writestr(f"{info}/RECORD", "")
    return body.getvalue()


def npm_package(**files: bytes) -> bytes:
    """An npm package with these files, whose names are written as those of a wheel."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(f"package/{path.replace('__', '/').replace('_dot_', '.')}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(body.getvalue(), mtime=0)


class PackageIndex(FakeServer):
    """Serves the packages that were put in; everything else is 404."""

    def __init__(self) -> None:
        super().__init__(self._answer_package)
        self.pages: dict[str, Answer] = {}

    @property
    def index_url(self) -> str:
        """What pip calls the index."""
        return f"{self.url}/simple"

    def put_wheel(self, name: str, version: str, body: bytes, *, sha256: str = "", attributes: str = "") -> None:
        """Serve a wheel; attributes: of its link, such as data-yanked."""
        file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        digest = sha256 or hashlib.sha256(body).hexdigest()
        page = (
            f'<!DOCTYPE html><html><body><a href="/files/{file}#sha256={digest}" {attributes}>{file}</a></body></html>'
        )
        self.pages[f"/simple/{name}/"] = Answer.html(page)
        self.pages[f"/files/{file}"] = Answer(body=body, headers={"Content-Type": "application/octet-stream"})

    def put_npm(self, name: str, version: str, body: bytes, *, integrity: str = "") -> None:
        """Serve an npm package."""
        place = f"/{name}/-/{version}.tgz"
        stated = integrity or f"sha512-{base64.b64encode(hashlib.sha512(body).digest()).decode()}"
        dist = {"tarball": f"{self.url}{place}", "integrity": stated}
        versions = {version: {"name": name, "version": version, "dist": dist}}
        self.pages[f"/{name}"] = Answer.json({"name": name, "dist-tags": {"latest": version}, "versions": versions})
        self.pages[place] = Answer(body=body, headers={"Content-Type": "application/octet-stream"})

    def _answer_package(self, request: Request) -> Answer:
        return self.pages.get(unquote(request.path)) or Answer.html("<html>Not found</html>", status=404)
