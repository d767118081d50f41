"""The loop with people: hand out what to measure next, take back what was found."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matscout.cli.assemble import campaign_at, find_run
from matscout.cli.own_config import tell_edits
from matscout.cli.progress import best_line
from matscout.cli.runs import runs_option
from matscout.data.text_table import read_text_table
from matscout.drive.campaign import OpenCampaign, open_campaign
from matscout.drive.hold import parse_fixed
from matscout.drive.sheet import check_writable, write_rows
from matscout.errors import InputError, RunFailed, one_line
from matscout.trial import Trial

_USUAL = 8
"""How many are recommended unless a person says."""


def recommend(
    run: str,
    runs: Path,
    n: int | None,
    out: Path,
    fix: Sequence[str],
    again: Sequence[str],
    open_: bool,
    force: bool,
    json: bool,
) -> int:
    """Choose n new points (8 by default), journal them, then write them to `out`; with `again`, the
    measured points that it names; with `open_`, write those that are open and choose nothing."""
    _check_alone(n, fix, again, open_)
    check_writable(out, force)
    folder = find_run(run, runs)
    campaign, proposer, forecaster = campaign_at(folder)
    tell_edits(folder, campaign.spec, None, {})
    with campaign:
        if open_:
            trials = campaign.open()
        elif again:
            trials = campaign.again(again, forecaster)
        else:
            fixed = parse_fixed(campaign.spec.space, fix)
            trials = campaign.recommend(n or _USUAL, proposer, forecaster, fixed)
        rows = campaign.rows(trials)
        try:
            write_rows(out, campaign.sheet.header, rows)
        except RunFailed as error:
            if open_:
                raise
            raise RunFailed(
                f"{error}; the recommendations are recorded: write them elsewhere with "
                f"matscout campaign recommend {folder.name} --open -o FILE"
            ) from None
        if json:
            report = {"file": str(out), "rows": rows, "open": len(campaign.open())}
            print(jsonlib.dumps(report, indent=1))
            return 0
        wanted = len(trials) if again else n or _USUAL
        for line in _told(campaign, trials, out, wanted, open_):
            print(line)
        print(f"next: matscout campaign add {folder.name} {out}{runs_option(folder)}")
    return 0


def add(run: str, file: Path, runs: Path, replicates: bool, json: bool) -> int:
    """Take the rows of `file` in, all or none, and say what they were."""
    folder = find_run(run, runs)
    table = read_text_table(file)
    with open_campaign(folder) as campaign:
        summary = campaign.add(table, replicates=replicates)
        still_open = len(campaign.open())
        if json:
            print(jsonlib.dumps({**asdict(summary), "open": still_open}, indent=1))
            return 0
        print(one_line(f"{file}: {summary}"))
        best = best_line(campaign.history)
        if best:
            print(best)
        for line in _waiting(campaign, still_open):
            print(line)
        print(f"next: matscout campaign recommend {folder.name}{runs_option(folder)}")
    return 0


def _check_alone(n: int | None, fix: Sequence[str], again: Sequence[str], open_: bool) -> None:
    """--again says all there is to say about what goes into the file."""
    given = {"--open": open_, "--fix": bool(fix), "-n": n is not None}
    other = next((name for name, said in given.items() if said), "")
    if again and other:
        raise InputError("--again", f"does not go with {other}", "run the command once for each")


def _told(campaign: OpenCampaign, trials: list[Trial], out: Path, n: int, open_: bool) -> list[str]:
    lines = [
        one_line(f"{campaign.sheet.id_of(t)}: {t.why.get('reason', t.why.get('rule', ''))}")
        for t in trials
    ]
    if open_:
        lines.append(f"{out}: {_counted(len(trials))} still open")
        return lines
    fewer = f" ({n} were asked for, no more are left)" if len(trials) < n else ""
    lines.append(f"{out}: {_counted(len(trials)).rpartition(' ')[0]}{fewer}")
    before = len(campaign.open()) - len(trials)
    if before:
        lines.append(f"{_counted(before)} still open from before (--open writes all of them)")
    return lines + _waiting(campaign, 0)


def _counted(n: int) -> str:
    return "1 recommendation is" if n == 1 else f"{n} recommendations are"


def _waiting(campaign: OpenCampaign, still_open: int) -> list[str]:
    lines = [f"{_counted(still_open)} still open"] if still_open else []
    finished = len(list(campaign.folder.outbox.glob("*.json")))
    if finished:
        lines.append(
            f"{finished} finished experiments wait in the outbox: matscout resume takes them in"
        )
    return lines
