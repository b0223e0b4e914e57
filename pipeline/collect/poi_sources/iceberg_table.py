"""A table of an Iceberg REST catalogue: its rows in some boxes, asked for with limits of time and a token sent once.

The only file that imports pyiceberg: whoever imports it finds out whether the package is there.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import requests
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import (
    AuthorizationExpiredError,
    BadRequestError,
    ForbiddenError,
    NoSuchIdentifierError,
    NoSuchNamespaceError,
    NoSuchTableError,
    OAuthError,
    RESTError,
    ServerError,
    ServiceUnavailableError,
    TooManyRequestsError,
    UnauthorizedError,
)
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import Table
from requests.adapters import HTTPAdapter

from pipeline.collect.poi_sources.places_portal import OTHERS, PORTAL, TOKEN_VARIABLE, CatalogSettings
from pipeline.collect.web.errors import EXCERPT_CHARACTERS, HumanError, RetryError
from pipeline.errors import StageError, plural
from pipeline.parquet_rows import Box
from pipeline.progress import format_bytes, progress

TIMEOUT_S = (10.0, 60.0)
NOT_TAKEN = (UnauthorizedError, AuthorizationExpiredError, OAuthError)
NOT_THERE = (NoSuchTableError, NoSuchNamespaceError, NoSuchIdentifierError, BadRequestError)
PASSING = (ServerError, ServiceUnavailableError, TooManyRequestsError, OSError)
"""What may be another answer a little later; what requests raises is an OSError."""
NO_CATALOGUE = (RESTError, ValueError, TypeError, KeyError, NotImplementedError)

log = logging.getLogger("mrlf")


class _WithTimeout(HTTPAdapter):
    """pyiceberg sets no limit to how long an answer may take."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """As the library does, with limits to connect and to begin answering."""
        return super().send(request, *args, **{**options, "timeout": options.get("timeout") or TIMEOUT_S})


class _PatientCatalog(RestCatalog):
    """A REST catalogue whose requests end, and whose refused token is not sent again."""

    def load_table(self, identifier: str | tuple[str, ...]) -> Table:
        """The table; the library's own second try with the same token is left out."""
        return RestCatalog.load_table.__wrapped__(self, identifier)  # type: ignore[no-any-return]

    def _create_session(self) -> requests.Session:
        session = super()._create_session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _WithTimeout())
        return session


def open_table(settings: CatalogSettings, token: str) -> Table:
    """The table as the catalogue describes it now; raises what `plain_errors` makes of it."""
    log.info("asking %s for the table %s", urlsplit(settings.address).hostname, settings.table)
    catalog = _PatientCatalog("os_places", uri=settings.address, warehouse=settings.warehouse, token=token)
    return catalog.load_table(settings.table)


def rows_in_boxes(table: Table, boxes: Sequence[Box], needed: Sequence[str], optional: Sequence[str]) -> pa.Table:
    """These columns of the rows in one of the boxes; files that hold none are not opened.

    Raises:
        StageError: the table lacks a column that is needed.
    """
    names = {column.name for column in table.schema().fields}
    missing = [name for name in needed if name not in names]
    if missing:
        raise StageError(f"the table {'.'.join(table.name())} is not OS Places: it has no column {', '.join(missing)}")
    inside = " or ".join(
        f"(latitude >= {box.south:.9f} and latitude <= {box.north:.9f} and "
        f"longitude >= {box.west:.9f} and longitude <= {box.east:.9f})"
        for box in boxes
    )
    columns = tuple(name for name in (*needed, *optional) if name in names)
    scan = table.scan(row_filter=inside, selected_fields=columns)
    files = list(scan.plan_files())
    size = format_bytes(sum(file.file.file_size_in_bytes for file in files))
    log.info(
        "the places lie in %s of %s: of each only what is around the city is read", plural(len(files), "file"), size
    )
    reader = ArrowScan(table.metadata, table.io, scan.projection(), scan.row_filter)
    parts: list[Any] = [reader.to_table([file]) for file in progress(files, "OS Places")]
    return pa.concat_tables(parts) if parts else scan.projection().as_arrow().empty_table()


@contextmanager
def plain_errors(settings: CatalogSettings, token: str) -> Iterator[None]:
    """What pyiceberg and requests raise, as what is to be done about it, without the token.

    Raises:
        HumanError: the token is not taken, or its account may not read the table.
        RetryError: a passing trouble.
        StageError: the catalogue says that there is no such table, or answers with something else than a catalogue.
    """
    host = urlsplit(settings.address).hostname
    try:
        yield
    except StageError:
        raise
    except NOT_TAKEN:
        raise HumanError(
            "bad_token", f"{host} does not take the token in {TOKEN_VARIABLE} (it may be over): {PORTAL}"
        ) from None
    except ForbiddenError:
        raise HumanError(
            "forbidden",
            f"the account of the token in {TOKEN_VARIABLE} may not read {settings.table} of {host}: look in the "
            f"Places Portal what it may; {OTHERS}",
        ) from None
    except NOT_THERE as error:
        raise StageError(
            f"{host} has no table {settings.table} in the warehouse {settings.warehouse} ({_said(error, token)}): it "
            "may have been renamed: look at its documentation and set `table` of os_places_catalog"
        ) from None
    except PASSING as error:
        raise RetryError("passing", _said(error, token)) from None
    except NO_CATALOGUE as error:
        raise StageError(
            f"{settings.address} does not answer as an Iceberg catalogue ({_said(error, token)}): look at the address"
        ) from None


def _said(error: Exception, token: str) -> str:
    return f"{type(error).__name__}: {str(error).replace(token, '***')[:EXCERPT_CHARACTERS]}"
