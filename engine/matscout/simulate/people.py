"""What people do between two sittings, through the same doors as on the command line."""

from __future__ import annotations

import numpy as np

from matscout.data.text_table import TextTable
from matscout.drive.campaign import OpenCampaign, open_campaign
from matscout.drive.queue import asked_body
from matscout.drive.recommend import handed_out
from matscout.drive.thaw import thawed
from matscout.history import PERSON
from matscout.runfolder import RunFolder
from matscout.seeds import ask_seed
from matscout.simulate.ledger import Ledger
from matscout.simulate.proposer import Witness
from matscout.simulate.scenario import Scenario
from matscout.simulate.trouble import JumpingClock
from matscout.trial import State, Trial


def act(
    scenario: Scenario,
    folder: RunFolder,
    clock: JumpingClock,
    ledger: Ledger,
    rng: np.random.Generator,
) -> None:
    """One visit: recommendations taken, results brought (twice, now and then), trials given up, and
    trials thawed that were stopped early."""
    with open_campaign(folder, clock) as campaign:
        if rng.random() < 0.4:
            _recommend(campaign, int(rng.integers(1, 3)))
        if rng.random() < 0.7:
            _bring(campaign, ledger, rng)
        if not scenario.policy.costly and rng.random() < 0.5:
            _thaw(campaign, rng)


def _recommend(campaign: OpenCampaign, n: int) -> None:
    """As `OpenCampaign.recommend`, without what is believed about the points: that would fit a model."""
    history, first = campaign.history, len(campaign.history.trials)
    seed = ask_seed(campaign.spec.seed, first)
    proposals = Witness().propose(campaign.spec.space, history, n, seed=seed)
    events = [
        event
        for i, proposal in enumerate(proposals)
        for event in handed_out(first + i, asked_body(proposal, Witness.name, 0.0))
    ]
    for event in campaign.journal.append(*events) if events else ():
        history.apply(event)


def _bring(campaign: OpenCampaign, ledger: Ledger, rng: np.random.Generator) -> None:
    history = campaign.history
    waiting = [t for t in history.trials if t.id in history.with_person]
    waiting += [t for t in history.trials if t.state is State.NEEDS_ATTENTION]
    if rng.random() < 0.2:  # one that a worker has in hand, or had
        waiting += [t for t in history.pending if t not in waiting][:1]
    header = tuple(campaign.sheet.header)
    rows = [_row(campaign, trial, header, ledger, rng) for trial in waiting]
    if rows:
        table = TextTable("results.csv", header, tuple(rows), tuple(range(2, 2 + len(rows))))
        campaign.add(table)
        before = campaign.history.seq
        campaign.add(table)
        if campaign.history.seq != before:
            ledger.say("a file of results that was added twice changed something the second time")


def _row(
    campaign: OpenCampaign,
    trial: Trial,
    header: tuple[str, ...],
    ledger: Ledger,
    rng: np.random.Generator,
) -> tuple[str, ...]:
    cells = campaign.sheet.row(trial, campaign.history.so_far(trial.id))
    luck = rng.random()
    if luck < 0.2:
        cells["status"] = "failed"
    elif luck < 0.4:
        cells["status"] = "abandoned"
    elif luck < 0.8:
        value = round(float(rng.uniform(-2.0, 2.0)), 6)
        cells["y"] = value
        ledger.by_person.setdefault(trial.id, set()).add(value)
    return tuple("" if cells[name] is None else str(cells[name]) for name in header)


def _thaw(campaign: OpenCampaign, rng: np.random.Generator) -> None:
    pruned = [t for t in campaign.history.trials if t.state is State.PRUNED]
    if pruned:
        trial = pruned[int(rng.integers(len(pruned)))]
        for event in campaign.journal.append(thawed(trial, "a person's wish", by=PERSON)):
            campaign.history.apply(event)
