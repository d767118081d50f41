"""`matscout bench NAME`: measurements that anyone can repeat, as a table and as JSON."""

from __future__ import annotations

import typer

from matscout.cli.bench.commands.campaigns import campaigns
from matscout.cli.bench.commands.crystals import crystals
from matscout.cli.bench.commands.faults import faults
from matscout.cli.bench.commands.halide_reference import halide_reference
from matscout.cli.bench.commands.history import history
from matscout.cli.bench.commands.imbalance import imbalance
from matscout.cli.bench.commands.latency import latency
from matscout.cli.bench.commands.load import load
from matscout.cli.bench.commands.lowdata import lowdata
from matscout.cli.bench.commands.overhead import overhead
from matscout.cli.bench.commands.scarcity import scarcity
from matscout.cli.bench.commands.simulate import simulate
from matscout.cli.bench.commands.suggestion import suggestion
from matscout.cli.bench.commands.sweeps import sweeps
from matscout.cli.bench.commands.transfer import transfer
from matscout.cli.bench.commands.uncertainty import uncertainty
from matscout.cli.bench.commands.utilisation import utilisation

COMMANDS = (
    campaigns, sweeps, lowdata, imbalance, scarcity, uncertainty, transfer,
    overhead, history, suggestion, latency, load, utilisation, crystals, simulate, faults,
    halide_reference,
)  # fmt: skip

bench = typer.Typer(
    no_args_is_help=True,
    help="Measure the engine beside its peers, or recompute a table that matscout brings.",
)
for command in COMMANDS:
    bench.command()(command)
