"""A campaign in a person's hands: opened, asked for recommendations, told what came of them.

The command line and `matscout.Campaign` are two faces of this. It owns the journal while it is
open, as a driver does: of one that recommends, one that adds and one that runs, one works at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matscout.clock import Clock
from matscout.data.text_table import TextTable
from matscout.drive.again import again_events
from matscout.drive.intake import Summary, intake
from matscout.drive.recommend import asked_events, ids_of, open_trials
from matscout.drive.results import read_rows
from matscout.drive.run import RunSpec, reopen
from matscout.drive.sheet import Sheet
from matscout.errors import InputError
from matscout.event import Event
from matscout.failpoint import failpoint
from matscout.history import History
from matscout.journal import Journal
from matscout.propose.base import Forecaster, Proposer
from matscout.runfolder import RunFolder
from matscout.trial import Trial, Value


class OpenCampaign:
    """See `open_campaign`. Close it, or use it as a context."""

    def __init__(
        self,
        folder: RunFolder,
        journal: Journal,
        history: History,
        spec: RunSpec,
    ) -> None:
        self.folder, self.journal, self.history, self.spec = folder, journal, history, spec
        self.sheet = Sheet(spec.name, spec.space, history.targets)

    def recommend(
        self,
        n: int,
        proposer: Proposer,
        forecaster: Forecaster | None = None,
        fixed: Mapping[str, Value] | None = None,
    ) -> list[Trial]:
        """Up to n new trials, in the journal before this returns; a person has them in hand now."""
        if n < 1:
            raise InputError("recommend", f"n must be at least 1, got {n}")
        events = asked_events(
            self.spec.space, self.history, proposer, forecaster, self.spec.seed, n, fixed or {}
        )
        self._record(*events)
        failpoint("campaign.after_asked")
        return [self.history.trials[i] for i in ids_of(events)]

    def again(self, words: Sequence[str], forecaster: Forecaster | None = None) -> list[Trial]:
        """New trials of points that were measured (see drive/again.py), handed out in the same way."""
        events = again_events(self.spec.space, self.history, self.sheet.name, words, forecaster)
        self._record(*events)
        failpoint("campaign.after_asked")
        return [self.history.trials[i] for i in ids_of(events)]

    def add(self, table: TextTable, *, replicates: bool = False) -> Summary:
        """Take the rows of a results table in, all of them or, with an InputError, none."""
        rows = read_rows(table, self.sheet, self.history)
        events, summary = intake(self.history, rows, replicates=replicates)
        if events:
            self._record(*events)
        failpoint("campaign.after_added")
        return summary

    def open(self) -> list[Trial]:
        """What people have in hand."""
        return open_trials(self.history)

    def rows(self, trials: list[Trial]) -> list[dict[str, Value | None]]:
        """Trials as rows of the sheet, with what is measured of them so far."""
        return [self.sheet.row(t, self.history.so_far(t.id)) for t in trials]

    def _record(self, *events: Event) -> None:
        """One transaction: all of them are on the disk, or none."""
        for event in self.journal.append(*events):
            self.history.apply(event)

    def close(self) -> None:
        """Let go of the journal. Twice is harmless."""
        self.journal.close()

    def __enter__(self) -> OpenCampaign:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_campaign(folder: RunFolder, clock: Clock | None = None) -> OpenCampaign:
    """Own the campaign in `folder`; InputError if it is none, or is open elsewhere."""
    journal, history, spec = reopen(folder, clock)
    if spec.kind != "campaign":
        journal.close()
        raise InputError(
            str(folder.root), f"is a {spec.kind}, not a campaign", "go on with matscout resume"
        )
    return OpenCampaign(folder, journal, history, spec)
