from __future__ import annotations

import logging

import numpy as np
import pytest
from optuna import create_study
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from matscout.constraint import Simplex
from matscout.errors import InputError
from matscout.event import EventKind
from matscout.parameter import Categorical, Float, Int, Ordinal
from matscout.pool import Pool
from matscout.propose.optuna_study import Coding, StudyMirror, Tpe
from matscout.propose.random import RandomProposer
from matscout.propose.tpe import TpeProposer, suggest
from matscout.space import Space

MIXED = Space(
    (
        Float("x", -1, 1),
        Float("lr", 1e-5, 1, log=True),
        Float("g", 0, 1, step=0.3),
        Int("n", 3, 90, step=7),
        Int("w", 1, 512, log=True),
        Ordinal("o", (8, 16, 32)),
        Categorical("k", (1, True, "1", 1.0)),
        Categorical("one", ("z",)),
    )
)
NESTED = Space(
    (
        Categorical("m", ("svm", "forest")),
        Float("C", 1e-3, 1e3, log=True, when={"m": ("svm",)}),
        Categorical("kernel", ("rbf", "poly"), when={"m": ("svm",)}),
        Int("degree", 2, 5, when={"kernel": ("poly",)}),
        Int("trees", 1, 50, when={"m": ("forest",)}),
    )
)


def eventful(tell, space: Space, n: int = 30):  # type: ignore[no-untyped-def]
    story, random = tell(), RandomProposer()
    for ask in range(n):
        trial = story.took(random.propose(space, story.history, 1, seed=ask)[0])
        if trial % 7 == 3:
            story.reported(trial, 1, float(trial % 5))
            story.ended(trial, EventKind.PRUNED)
        elif trial % 11 == 5:
            story.ended(trial, EventKind.FAILED)
        elif trial % 9 != 8:
            story.measured(trial, float((trial * 7) % 13))
    return story


@pytest.mark.parametrize("parameter", MIXED.parameters, ids=lambda p: p.name)
def test_values_survive_the_trip_to_optuna(parameter) -> None:  # type: ignore[no-untyped-def]
    coding, rng = Coding(parameter), np.random.default_rng(0)
    for unit in rng.random(50):
        value = parameter.from_unit(float(unit))
        held = coding.encode(value)
        assert coding.distribution._contains(coding.distribution.to_internal_repr(held))
        assert repr(coding.decode(held)) == repr(value)


def test_suggestions_are_optunas_own(tell) -> None:  # type: ignore[no-untyped-def]
    """The lean storage and the converted observations change nothing: a plain study that holds the
    same trials suggests the same numbers, to the rounding of SciPy's normals.
    """
    story = eventful(tell, MIXED, 40)
    mirror = StudyMirror(MIXED, story.history)
    mirror.sync()
    (group,) = mirror.groups
    distributions = dict(group)
    plain = create_study(direction="minimize")
    for trial in story.history.trials:
        held = {n: mirror.codings[n].encode(trial.params[n]) for n in distributions}
        state = {
            "complete": TrialState.COMPLETE,
            "pruned": TrialState.PRUNED,
            "failed": TrialState.FAIL,
            "pending": TrialState.RUNNING,
        }[trial.state.value]
        plain.add_trial(
            create_trial(
                state=state,
                value=trial.values.get("y"),
                params=held,
                distributions=distributions,
                intermediate_values={r.step: r.values["y"] for r in trial.reports},
            )
        )
    plain.ask()  # the trial in question, which constant liar leaves out
    question = plain.trials[-1]
    for seed in range(10):
        options = {"seed": seed, "n_startup_trials": 0, "constant_liar": True}
        theirs = TPESampler(**options).sample_relative(plain, question, distributions)
        sampler = Tpe(candidates=24).reseeded(seed)
        ours = sampler.sample_relative(mirror.study(sampler), mirror.storage.rows[0], distributions)
        assert ours == pytest.approx(theirs, rel=1e-7)


@pytest.mark.parametrize("bound", [None, 0.0, 2.0, -4.0])
@pytest.mark.parametrize("others", [{}, {"z": "max"}, {"z": "max", "w": "min"}], ids=len)
def test_suggestions_are_optunas_own_for_a_front_under_limits(tell, others, bound) -> None:  # type: ignore[no-untyped-def]
    """As above, with several directions and a constraint: a share of the bound, or of 1 beside 0."""
    limits = [] if bound is None else [{"name": "heat", "max": bound}, {"name": "z", "min": -3.0}]
    story, random = tell(others=others, limits=limits), RandomProposer()
    plain = create_study(directions=["minimize", "maximize", "minimize"][: 1 + len(others)])
    mirror = StudyMirror(MIXED, story.history)
    (group,) = mirror.groups
    distributions, rng = dict(group), np.random.default_rng(2)
    for ask in range(45):
        trial = story.took(random.propose(MIXED, story.history, 1, seed=ask)[0])
        y, z, w, heat = rng.normal(size=4).round(2).tolist()
        state = TrialState.PRUNED if ask % 9 == 4 else TrialState.COMPLETE
        if state is TrialState.PRUNED:
            story.ended(trial, EventKind.PRUNED)
        else:
            story.measured(trial, y, z=z, w=w, heat=heat)
        done = state is TrialState.COMPLETE
        size = abs(bound or 0.0) or 1.0
        beyond = {} if bound is None else {"a": (heat - bound) / size, "b": (-3.0 - z) / 3.0}
        params = story.history.trials[trial].params
        plain.add_trial(
            create_trial(
                state=state,
                values=[y, z, w][: 1 + len(others)] if done else None,
                params={n: mirror.codings[n].encode(params[n]) for n in distributions},
                distributions=distributions,
                constraints=beyond if done else {},
            )
        )
    mirror.sync()
    plain.ask()
    for seed in range(5):
        options = {"seed": seed, "n_startup_trials": 0, "multivariate": True}
        theirs = TPESampler(**options).sample_relative(plain, plain.trials[-1], distributions)
        sampler = Tpe(candidates=24).reseeded(seed)
        ours = sampler.sample_relative(mirror.study(sampler), mirror.storage.rows[0], distributions)
        assert ours == pytest.approx(theirs, rel=1e-7)


def test_one_proposer_may_serve_runs_of_one_target_and_of_two(tell) -> None:  # type: ignore[no-untyped-def]
    one, two, lasting = tell(), tell(others={"z": "max"}), TpeProposer(startup=5)
    for story in (one, two):
        for k in range(300):  # the share that counts as good differs from 250 trials on
            point = {"x": (k * 0.618) % 1, "y": (k * 0.414) % 1}
            story.measured(story.asked(point), (k * 7) % 83, z=(k * 11) % 97)
    space = Space((Float("x", 0, 1), Float("y", 0, 1)))
    for story in (one, two, one):
        fresh = TpeProposer(startup=5).propose(space, story.history, 2, seed=1)
        assert lasting.propose(space, story.history, 2, seed=1) == fresh


@pytest.mark.parametrize("space", [MIXED, NESTED], ids=["mixed", "nested"])
@pytest.mark.parametrize("n", [1, 3])
def test_the_cache_cannot_be_seen(tell, space: Space, n: int) -> None:  # type: ignore[no-untyped-def]
    story, lasting = tell(), TpeProposer(startup=5)
    for ask in range(25):
        first = lasting.propose(space, story.history, n, seed=ask)
        again = lasting.propose(space, story.history, n, seed=ask)
        fresh = TpeProposer(startup=5).propose(space, story.history, n, seed=ask)
        assert repr(first) == repr(again) == repr(fresh)
        for proposal in first[: 1 + ask % n]:  # the loop may take fewer than were offered
            trial = story.took(proposal)
            if trial % 5 == 4:
                story.ended(trial, EventKind.PRUNED)
            elif trial % 3:
                story.measured(trial, float((trial * 7) % 13))
        if ask == 15:  # what was over comes to life again, and a value moves
            story.measured(next(t.id for t in story.history.trials if t.state == "pruned"), -3.0)
            story.replicated(story.history.completed[0].id, 99.0)


def test_it_finds_what_is_good_in_a_branch(tell) -> None:  # type: ignore[no-untyped-def]
    story, tpe = tell(), TpeProposer()
    for ask in range(60):
        trial = story.took(tpe.propose(NESTED, story.history, 1, seed=ask)[0])
        params = story.history.trials[trial].params
        good = params["m"] == "svm" and params["kernel"] == "poly"
        story.measured(trial, abs(np.log10(params["C"]) - 1) + params["degree"] if good else 9.0)
    late = [t.params for t in story.history.trials[40:]]
    assert sum(p.get("kernel") == "poly" for p in late) > 14
    assert story.history.best().values["y"] < 2.3


def test_pending_points_are_avoided(tell) -> None:  # type: ignore[no-untyped-def]
    space = Space((Float("x", 0, 1),))
    alone, crowded = tell(), tell()
    for story in (alone, crowded):
        for k in range(12):
            story.measured(story.asked({"x": k / 12}), abs(k / 12 - 0.5))
    for k in range(8):
        crowded.asked({"x": 0.48 + 0.005 * k})

    def distance(story) -> float:  # type: ignore[no-untyped-def]
        drawn = [TpeProposer().propose(space, story.history, 1, seed=s)[0] for s in range(40)]
        return float(np.mean([abs(float(p.params["x"]) - 0.5) for p in drawn]))

    assert distance(crowded) > 1.5 * distance(alone)


def test_sums_are_kept(tell) -> None:  # type: ignore[no-untyped-def]
    space = Space(tuple(Float(n, 0, 1) for n in "abc"), (Simplex(tuple("abc")),))
    story, tpe = tell(), TpeProposer(startup=5)
    for ask in range(40):
        proposal = tpe.propose(space, story.history, 1, seed=ask)[0]
        assert space.satisfied(proposal.params)
        story.measured(story.took(proposal), (float(proposal.params["a"]) - 0.7) ** 2)
    assert story.history.best().values["y"] < 0.01


def test_a_pool_is_refused() -> None:
    space = Space(pool=Pool(("a",), {"x": (1.0,)}, ("x",)))
    with pytest.raises(InputError, match="tpe cannot choose from a pool; use gp or random"):
        TpeProposer().propose(space, None, 1, seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"startup": -1}, {"startup": "ten"}, {"candidates": 0}])
def test_options_are_checked(options) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=r"proposer\.(startup|candidates)"):
        TpeProposer(**options)


def test_it_is_quiet(tell, caplog: pytest.LogCaptureFixture, capfd, recwarn) -> None:  # type: ignore[no-untyped-def]
    story = eventful(tell, NESTED)
    with caplog.at_level(logging.DEBUG):
        TpeProposer().propose(NESTED, story.history, 2, seed=1)
    assert not caplog.records and not list(recwarn)
    assert capfd.readouterr() == ("", "")


def test_a_draw_has_what_exists_and_nothing_else(tell) -> None:  # type: ignore[no-untyped-def]
    story = eventful(tell, NESTED)
    mirror = StudyMirror(NESTED, story.history)
    mirror.sync()
    for seed in range(30):
        point = suggest(Tpe(candidates=24).reseeded(seed), mirror)
        assert NESTED.check(point) == point


def test_a_batch_shares_an_estimate_once_many_trials_are_known(tell, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    space = Space((Float("x", 0, 1), Float("z", 0, 1)))
    estimated: list[int] = []
    build = Tpe._build_parzen_estimator

    def counted(self, study, search_space, trials, handle_below):  # type: ignore[no-untyped-def]
        estimated.append(len(trials))
        return build(self, study, search_space, trials, handle_below)

    monkeypatch.setattr(Tpe, "_build_parzen_estimator", counted)
    rng, story = np.random.default_rng(0), tell()
    for known, estimates in ((30, 6), (200, 2)):
        while len(story.history.trials) < known:
            params = dict(zip("xz", rng.random(2).tolist(), strict=True))
            story.measured(story.asked(params), abs(params["x"] - 0.3) + params["z"])
        proposer = TpeProposer()
        proposer.propose(space, story.history, 1, seed=5)
        estimated.clear()
        batch = proposer.propose(space, story.history, 6, seed=7)
        # Each is counted as running by the next, or the first three by the second three.
        assert len(estimated) == 2 * estimates
        assert estimated[1] - estimated[0] < estimated[-1] - estimated[-2]
        assert batch == TpeProposer().propose(space, story.history, 6, seed=7)
        assert len({tuple(p.params.values()) for p in batch}) == 6
