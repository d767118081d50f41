"""The PostgreSQL server that holds a journal: that it answers, and that it keeps what it says."""

from __future__ import annotations

import time

from matscout.cli.doctor.finding import Finding, fail, ok, warn
from matscout.errors import MatscoutError, one_line
from matscout.journal_server import Server

_LEAST = 130_000
_APART_S = 60.0


def check(server: Server) -> list[Finding]:
    """Connects once, reads settings, and writes nothing."""
    what = "journal server"
    mend = (
        "see docs/postgres.md; the password belongs into ~/.pgpass, PGPASSWORD or MATSCOUT_JOURNAL"
    )
    try:
        connection = server.connect("matscout doctor")
    except MatscoutError as error:
        return [fail(what, one_line(str(error)), mend)]
    with connection:
        rows = connection.execute(
            "SELECT current_setting('server_version_num'), current_setting('fsync'),"
            " current_setting('full_page_writes'), extract(epoch FROM clock_timestamp()),"
            " has_database_privilege(current_database(), 'CREATE')"
        ).fetchone()
    version, fsync, pages, seconds, may_create = rows
    found = []
    if int(version) < _LEAST:
        found.append(
            fail(what, f"PostgreSQL {int(version) // 10000} is too old", "take 13 or later")
        )
    if "off" in (fsync, pages):
        said = f"fsync is {fsync} and full_page_writes {pages}: a power cut can lose events"
        found.append(fail(what, said, "set both to on in postgresql.conf"))
    if not may_create:
        mend = "GRANT CREATE ON DATABASE … TO the user: each run gets a schema of its own"
        found.append(fail(what, "the user may not make a schema", mend))
    apart = abs(float(seconds) - time.time())
    if apart > _APART_S:
        found.append(warn(what, f"its clock is {apart:.0f} s from ours", "set both clocks (NTP)"))
    said = f"{server.address} answers: PostgreSQL {int(version) // 10000}, fsync {fsync}"
    return found or [ok(what, said)]
