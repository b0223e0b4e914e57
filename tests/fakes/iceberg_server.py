"""An Iceberg REST catalogue on 127.0.0.1 over tables that pyiceberg itself wrote, and how it refuses."""

import json
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from pyiceberg.catalog.sql import SqlCatalog

from tests.fakes.http_server import Answer, FakeServer, Request
from tests.fakes.os_places import SCHEMA, place

TOKEN = "a-portal-token"
NAMESPACE, TABLE = "datasets", "places_os"


class PlacesTable:
    """The table of places, a data file for each part of the rows."""

    def __init__(self, folder: Path, parts: list[list[dict[str, Any]]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.catalog = SqlCatalog(
            "local", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse"
        )
        self.catalog.create_namespace(NAMESPACE)
        self.columns = [name for name in SCHEMA.names if name != "bbox"]
        self.table = self.catalog.create_table((NAMESPACE, TABLE), schema=_table([], self.columns).schema)
        for part in parts:
            self.append(part)

    def append(self, rows: list[dict[str, Any]]) -> None:
        """One more data file, and with it a snapshot."""
        self.table.append(_table(rows, self.columns))

    def metadata_location(self) -> str:
        """Where the newest description of the table lies."""
        return self.catalog.load_table((NAMESPACE, TABLE)).metadata_location


class FakeIceberg(FakeServer):
    """The endpoints that a reader needs (config, load table), as the Iceberg REST specification tells them.

    taken: the tokens that are taken. Every other is answered 401, as an expired one is.
    """

    def __init__(self, table: PlacesTable) -> None:
        self.table = table
        self.taken = {TOKEN}
        super().__init__(self._of)

    def _of(self, request: Request) -> Answer:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}" or TOKEN not in self.taken:
            return _error(401, "NotAuthorizedException", "the token is not valid")
        if request.path.endswith("/v1/config"):
            return Answer.json({"defaults": {}, "overrides": {}})
        if request.path.endswith(f"/namespaces/{NAMESPACE}/tables/{TABLE}"):
            where = self.table.metadata_location()
            with urlopen(where) as file:  # noqa: S310
                return Answer.json({"metadata-location": where, "metadata": json.load(file), "config": {}})
        return _error(404, "NoSuchTableException", "Table does not exist")


def _error(code: int, kind: str, message: str) -> Answer:
    return Answer.json({"error": {"message": message, "type": kind, "code": code}}, status=code)


def _table(rows: list[dict[str, Any]], columns: list[str]) -> Any:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema=SCHEMA).select(columns)


def places(start: int, count: int, **changes: Any) -> list[dict[str, Any]]:
    """Good places of the town, numbered."""
    return [place(number, **changes) for number in range(start, start + count)]
