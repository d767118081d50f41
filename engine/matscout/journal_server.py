"""Which PostgreSQL server holds a journal: from a config, from the environment, or from a run's folder.

A password is only ever taken from the environment (MATSCOUT_JOURNAL, or libpq's own PGPASSWORD and
~/.pgpass). It is in no config, and goes into no journal, manifest, log or error.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from matscout.bounded_read import read_bounded
from matscout.errors import InputError, JournalUnavailable, one_line
from matscout.runfolder import RunFolder

ENVIRONMENT = "MATSCOUT_JOURNAL"

_ADDRESS = ("host", "hostaddr", "port", "sslmode", "sslrootcert", "target_session_attrs")
"""What a run's folder keeps of how its server is reached, beside user and database."""

_ALIVE = {
    "connect_timeout": "3",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "2",
    "tcp_user_timeout": "4000",
}
"""A server that is gone is noticed in 2 + 2 × 1 s, of sent data in 4 s. A URL may say otherwise."""

_SCHEMA = re.compile(r"matscout_[a-z0-9._-]{1,50}")


@dataclass(frozen=True)
class Server:
    """A database to connect to. `address` is for people and files; `params` may hold a password."""

    address: str
    params: Mapping[str, str] = field(repr=False)
    trusted: bool = True
    """Whether the person who runs us named it, rather than a folder that may come from anywhere."""

    def connect(self, application: str) -> Any:
        """A psycopg connection. JournalUnavailable says in one line why there is none."""
        psycopg = _psycopg()
        params = {**_ALIVE, **self.params, "application_name": application}
        if not self.trusted and psycopg.pq.version() >= 160000:
            # Who copies a run from somewhere must not send that server a password in the clear.
            params["require_auth"] = "!password,!md5"
        try:
            return psycopg.connect(**params)
        except (psycopg.Error, UnicodeError) as error:  # of a host that no name can be
            raise JournalUnavailable(
                f"{self.address}: {self.without_secrets(str(error))}"
            ) from None

    def without_secrets(self, text: str) -> str:
        """`text` in one line, should it hold what nobody may read."""
        for name in _secret_names():
            for secret in {self.params.get(name, ""), quote(self.params.get(name, ""), safe="")}:
                text = text.replace(secret, "***") if secret else text
        return one_line(text)


_MOST_HOSTS = 32
"""Each of them is tried in turn."""


def server_for(url: str | None) -> Server | None:
    """The server for a new run whose config says `url`: the environment's word first. None: SQLite."""
    said = os.environ.get(ENVIRONMENT)
    if said:
        return _server(said, ENVIRONMENT)
    return _server(url, "run.journal") if url else None


def check_journal(url: str) -> str:
    """`url` if it may stand in a config. InputError, without the password, if it names one."""
    server = _server(url, "run.journal")
    if any(server.params.get(name) for name in _secret_names()):
        mend = f"leave it out there, and put it into ~/.pgpass, PGPASSWORD or {ENVIRONMENT}"
        raise InputError("run.journal", "holds a password, and a config is no secret", mend)
    return url


def check_address(url: str, where: str) -> None:
    """InputError, quoting nothing of it, unless `url` is the address of a PostgreSQL server."""
    _server(url, where)


def without_passwords(text: str) -> str:
    """`text` without what a URL in it may say between // and @, or of a password."""
    return re.sub(r"(?<=://)\S*(?=@)|(?<=password=)[^&\s'\"]+", "***", text)


def address_json(server: Server, schema: str) -> bytes:
    """What stands in the run's folder of where its journal is."""
    return json.dumps({"url": server.address, "schema": schema}, indent=1).encode()


def read_address(folder: RunFolder) -> tuple[Server, str]:
    """The server and the schema that hold the journal of the run in `folder`."""
    try:
        said = json.loads(read_bounded(folder.address))
        url, schema = str(said["url"]), str(said["schema"])
        if not _SCHEMA.fullmatch(schema):
            raise ValueError("schema")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            str(folder.address), "does not say where the journal is", "restore it from a copy"
        ) from None
    named = os.environ.get(ENVIRONMENT)
    if named:
        return _server(named, ENVIRONMENT), schema
    known = _server(url, str(folder.address))
    params = {k: v for k, v in known.params.items() if k in (*_ADDRESS, "user", "dbname")}
    return Server(known.address, params, trusted=False), schema


def _server(url: str, where: str) -> Server:
    """What `url` says. Nothing of what is wrong with it is quoted: it may be a piece of a password."""
    psycopg = _psycopg()
    mend = "write postgresql://USER@HOST:PORT/DATABASE, with % codes for odd characters"
    if not url.startswith(("postgresql://", "postgres://")):
        raise InputError(where, "is no address of a PostgreSQL server", mend)
    try:
        params = dict(psycopg.conninfo.conninfo_to_dict(url))
    except (psycopg.Error, UnicodeError):
        raise InputError(where, "cannot be read as an address", mend) from None
    port, odd = str(params.get("port", "")), str(params.get("dbname", "")) + str(params.get("host"))
    if not re.fullmatch(r"[0-9,]*", port) or "@" in odd or odd.count(",") >= _MOST_HOSTS:
        raise InputError(where, "cannot be read as an address", mend)
    plain = {name: str(value) for name, value in params.items()}
    return Server(_address(plain), plain)


def _address(params: Mapping[str, str]) -> str:
    """A URL that says where, and with which user, and nothing secret."""
    rest = {name: params[name] for name in _ADDRESS if params.get(name)}
    authority = ""
    if re.fullmatch(r"[\w.-]+", rest.get("host", "")) and "," not in rest.get("port", ""):
        authority = rest.pop("host") + (f":{rest.pop('port')}" if "port" in rest else "")
    user = quote(params.get("user", ""), safe="")
    query = f"?{urlencode(rest, safe='/')}" if rest else ""
    at = f"{user}@" if user else ""
    return f"postgresql://{at}{authority}/{quote(params.get('dbname', ''), safe='')}{query}"


def _secret_names() -> list[str]:
    """libpq marks what is to be hidden with a star."""
    return [o.keyword.decode() for o in _psycopg().pq.Conninfo.get_defaults() if o.dispchar == b"*"]


def _psycopg() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError:
        raise InputError(
            "PostgreSQL", "needs the extra 'postgres'", "pip install 'matscout[postgres]'"
        ) from None
    return psycopg
