"""Which parameters of a sweep matter: bars, and in words where that cannot be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matscout.errors import one_line
from matscout.history import History
from matscout.report.chance import thinned
from matscout.report.markup import Markup, counted, el, figure, shortened
from matscout.report.progress_figure import measured, value_axis
from matscout.report.svg import Axis, Canvas, legend
from matscout.space import Space
from matscout.trial import Trial

if TYPE_CHECKING:
    from matscout.report.importance import Importance

Array = NDArray[np.float64]

FEWEST = 20
"""Complete trials from which a parameter's part in them is worth a bar."""

MOST_TRIALS = 2000
MOST = 16
"""Parameters that are drawn, those that matter most."""


def importance_figure(space: Space, history: History) -> Markup | None:
    """fANOVA's and PED-ANOVA's bars over the complete trials; None for a pool."""
    if not space.parameters:
        return None
    trials, y = measured(history)
    kept = thinned(len(y), MOST_TRIALS) - 1
    trials, y = [trials[i] for i in kept], y[kept]
    # Of the value as it is drawn: else one exploded loss would be all there is to explain.
    target = history.targets[0]
    height = target.sign * value_axis(y, target)[0].place(y)
    why = _why_not(space, trials, height)
    if why:
        return el("p", why)
    from matscout.report.importance import importance

    try:
        found = importance(space, trials, height)
    except (RuntimeError, ValueError, ArithmeticError) as error:  # odd data: the page appears
        return el("p", f"Which parameters matter could not be worked out: {one_line(str(error))}")
    notes = _notes(space, found, len(trials), len(history.completed))
    if len(history.targets) > 1:
        notes.insert(0, f"Of {shortened(target.name, 40)}.")
    return figure(_bars(found), [" ".join(notes), _legend(found)], beside=True)


def _why_not(space: Space, trials: Sequence[Trial], height: Array) -> str:
    if len(trials) < FEWEST:
        known = counted(len(trials), "complete trial", "complete trials")
        return f"{known} are too few to tell which parameters matter: {FEWEST} are needed."
    if np.ptp(height) == 0:
        return "All trials have the same value: there is nothing for a parameter to explain."
    if len(space.parameters) == 1:
        return f"There is one parameter, {space.parameters[0].name}: what varies is its doing, or noise."
    varied = {
        name for t in trials for name, v in t.params.items() if v != trials[0].params.get(name, v)
    }
    return "" if varied else "All trials are at the same point: no parameter was varied."


def _bars(found: Importance) -> Markup:
    names = _ordered(found)[:MOST]
    across = Axis(0.0, 1.0, "share", False, tuple((k / 4, f"{25 * k} %") for k in range(5)))
    ticks = tuple((float(i), shortened(name, 18)) for i, name in enumerate(reversed(names)))
    rows = Axis(-0.5, len(names) - 0.5, "", False, ticks)
    canvas = Canvas(across, rows, 440, 66 + 34 * len(names))
    for row, name in enumerate(reversed(names)):
        for shares, up, class_ in ((found.alone, 0.17, "f-blue"), (found.top, -0.17, "f-orange")):
            if name not in shares:
                continue
            x, edge = np.array([0.0, shares[name]]), np.full(2, row + up)
            canvas.band(x, edge - 0.14, edge + 0.14, class_)
            inside = shares[name] > 0.85
            canvas.note(
                shares[name] - 0.01 if inside else shares[name] + 0.01,
                row + up - 4.0 / 34,
                f"{100 * shares[name]:.0f} %",
                "tick on-bar" if inside else "tick",
                "end" if inside else "start",
            )
    told = "; ".join(f"{name}: {_told(found, name)}" for name in names)
    return canvas.svg("importance", "Importance of the parameters", told)


def _told(found: Importance, name: str) -> str:
    parts = [("fANOVA", found.alone), ("PED-ANOVA", found.top)]
    return ", ".join(f"{how} {100 * s[name]:.0f} %" for how, s in parts if name in s)


def _ordered(found: Importance) -> list[str]:
    names = list(dict.fromkeys([*found.alone, *found.top]))
    return sorted(names, key=lambda n: -max(found.alone.get(n, 0.0), found.top.get(n, 0.0)))


def _notes(space: Space, found: Importance, used: int, complete: int) -> list[str]:
    together = max(1.0 - sum(found.alone.values()), 0.0)
    notes = []
    if found.alone:
        notes.append(
            "fANOVA: what share of the value's variation over the whole space a parameter explains"
            f" by itself; {100 * together:.0f} % is left to parameters acting together, and to noise."
        )
        notes.append(_trust(found.quality))
    notes.append(
        f"PED-ANOVA: how closely the best {100 * found.share:.0f} % of the trials keep to some"
        " values of a parameter, compared with all trials."
        if found.top
        else "PED-ANOVA finds no values to which the best trials keep."
    )
    missing = [shortened(p.name, 40) for p in space.parameters if p.when]
    if missing:
        notes.append(
            "fANOVA knows only parameters that exist in every trial, and so not"
            f" {', '.join(missing[:MOST])}{' and others' if len(missing) > MOST else ''}."
        )
    shown = len(set(found.alone) | set(found.top))
    if shown > MOST:
        notes.append(f"The {MOST} of {shown} parameters that matter most are drawn.")
    thin = f" ({used} of them, evenly)" if used < complete else ""
    notes.append(f"From {complete} complete trials{thin}; what was pruned or failed is not in it.")
    return notes


def _trust(quality: float) -> str:
    if quality <= 0:
        return (
            "But the forest behind it predicts trials it has not seen no better than their mean does"
            f" (R² {quality:.2f}): do not rely on these shares.".replace("-", "−")
        )
    doubt = ": read the shares with care" if quality < 0.5 else ""
    return f"The forest behind it has R² {quality:.2f} on trials it has not seen{doubt}."


def _legend(found: Importance) -> Markup:
    entries = [("area", "f-blue", "fANOVA")] if found.alone else []
    return legend([*entries, *([("area", "f-orange", "PED-ANOVA")] if found.top else [])])
