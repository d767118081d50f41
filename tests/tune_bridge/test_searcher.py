"""The searcher, told what Tune would tell it, without Tune."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest
from ray import tune
from ray.tune.schedulers import (
    ASHAScheduler,
    HyperBandScheduler,
    MedianStoppingRule,
    ResourceChangingScheduler,
)
from ray.tune.search import ConcurrencyLimiter, Searcher

from matscout.drive.run import load
from matscout.errors import InputError, JournalUnavailable, MatscoutError
from matscout.event import EventKind
from matscout.propose.tpe import TpeProposer
from matscout.runfolder import RunFolder
from matscout.trial import State
from matscout.tune_bridge import MatscoutSearch, pruned_by, watch

SPACE = {"x": tune.uniform(-5, 5), "k": tune.randint(0, 8), "c": 1}


def search(proposer: Any = "random", space: Any = None, **options: Any) -> MatscoutSearch:
    made = MatscoutSearch(proposer, **options)
    given = {"num_samples": 100, "stop": {}}
    assert made.set_search_properties("loss", "min", SPACE if space is None else space, **given)
    return made


def result(step: int, loss: Any, **more: Any) -> dict[str, Any]:
    return {"training_iteration": step, "loss": loss, "done": False, "config/x": 1.0, **more}


def loss_of(config: dict[str, Any]) -> float:
    return float((config["x"] - 1) ** 2 + config["k"])


class Tune:
    """What the controller does of interest: trials of three steps, two at once, told in turn."""

    def __init__(self, searcher: MatscoutSearch, first: int = 0, sitting: str = "t") -> None:
        self.searcher, self.open, self.next = searcher, list[tuple[str, dict[str, Any]]](), first
        self.sitting = sitting  # Tune never gives an id twice
        self.suggested: list[dict[str, Any]] = []

    def run(self, trials: int) -> None:
        """Until so many more have begun."""
        for _ in range(trials):
            while len(self.open) >= 2:
                self.finish(*self.open.pop(0))
            name = f"{self.sitting}{self.next}"
            config = self.searcher.suggest(name)
            assert isinstance(config, dict)
            self.next += 1
            self.suggested.append(config)
            self.open.append((name, config))

    def finish(self, name: str, config: dict[str, Any]) -> None:
        for step in (1, 2, 3):
            self.searcher.on_trial_result(name, result(step, loss_of(config) + 3 - step))
        number = int(name[1:])
        if number % 4 == 1:
            self.searcher.on_trial_complete(name, error=True)
        elif number % 4 == 2:
            self.searcher.on_trial_complete(name)
        else:
            self.searcher.on_trial_complete(name, result(3, loss_of(config), done=True))


@pytest.mark.parametrize("proposer", ["random", "sobol", "tpe", "gp", "auto"])
def test_a_restored_searcher_suggests_what_the_unbroken_one_does(
    proposer: str, tmp_path: Path
) -> None:
    options = {"options": {"startup": 8 if proposer == "gp" else 4}} if len(proposer) < 4 else {}
    unbroken = Tune(search(proposer, seed=3, **options))
    unbroken.run(12)
    for cut in (1, 7):
        first = Tune(search(proposer, seed=3, **options))
        first.run(cut)
        first.searcher.save_to_dir(str(tmp_path), f"session-{cut}")
        states = [
            [t.id, "RUNNING" if any(t.id == name for name, _ in first.open) else "TERMINATED"]
            for t in (SimpleNamespace(id=f"t{i}") for i in range(cut))
        ]
        write_snapshot(tmp_path / f"experiment_state-{cut}.json", states)
        second = Tune(search(proposer, seed=3, **options), first=cut)
        second.searcher.restore_from_dir(str(tmp_path))
        second.open = list(first.open)
        second.run(12 - cut)
        assert first.suggested + second.suggested == unbroken.suggested
        theirs, ours = unbroken.searcher.history, second.searcher.history
        assert [plain(t) for t in ours.trials] == [plain(t) for t in theirs.trials]


def plain(trial: Any) -> tuple[Any, ...]:
    reports = [(r.step, dict(r.values)) for r in trial.reports]
    return trial.id, dict(trial.params), trial.state, dict(trial.values), reports, trial.reason


def write_snapshot(path: Path, trials: list[Any]) -> None:
    """As Tune writes its trials; the test with a real Tuner sees to it that this is how."""
    rows = []
    for name, status, *more in trials:
        config, last = more if more else ({}, None)
        state = {"trial_id": name, "status": status, "config": config}
        rows.append([json.dumps(state), json.dumps({"last_result": last or {}})])
    path.write_text(json.dumps({"trial_data": rows}))


def test_states_of_trials() -> None:
    one = search()
    ends = {
        "whole": (result(3, 0.5, done=True, finished=True, sem=0.1), State.COMPLETE),
        "nan": (result(3, math.nan, done=True, finished=True), State.INVALID),
        "none": (result(3, None, done=True, finished=True), State.INVALID),
        "inf": (result(3, math.inf, done=True, finished=True), State.INVALID),
        "text": (result(3, "high", done=True, finished=True), State.INVALID),
        "absent": ({"training_iteration": 1, "done": True}, State.INVALID),
        "nothing": ({"done": True}, State.INVALID),
        "nan stopped": (result(2, math.nan, done=True), State.INVALID),
        "outside": (result(2, 0.7), State.PRUNED),
        "guess": (result(2, 0.7, done=True), State.PRUNED),
        "waiting": (None, State.PRUNED),
    }
    for name, (last, state) in ends.items():
        one.suggest(name)
        one.on_trial_result(name, result(1, 0.9))
        one.on_trial_complete(name, last)
        trial = one.history.trials[-1]
        assert trial.state is state, (name, trial)
        assert bool(trial.values) == (state is State.COMPLETE)
        assert trial.reports[0].values == {"loss": 0.9}
    complete = one.history.trials[0]
    assert complete.values == {"loss": 0.5} and complete.sem == {"loss": 0.1}
    assert [r.step for r in one.history.trials[8].reports] == [1, 2]
    one.suggest("raised")
    one.on_trial_complete("raised", error=True)
    assert one.history.trials[-1].state is State.FAILED
    assert not one.history.pending and not one.history.in_flight
    one.on_trial_complete("whole", result(3, 0.5, done=True, finished=True))  # told again
    one.on_trial_complete(
        "whole", result(3, 0.6, done=True, finished=True)
    )  # otherwise: kept aside
    assert one.history.trials[0].values == {"loss": 0.5} and not one.history.trials[0].replicates
    one.on_trial_complete("stranger", result(1, 0.1, done=True))


def test_a_function_that_returns_is_complete() -> None:
    one = search()
    one.suggest("a")
    one.on_trial_result("a", result(1, 0.9))
    one.on_trial_result("a", result(2, 0.8))
    one.on_trial_complete("a", result(2, 0.8, done=True))
    assert one.history.trials[0].values == {"loss": 0.8}
    assert [r.step for r in one.history.trials[0].reports] == [1, 2]


def test_a_whole_training_is_complete_whoever_ended_it() -> None:
    by_max_t, by_stop = search(max_t=9), MatscoutSearch("random")
    by_stop.set_search_properties("loss", "min", SPACE, stop={"training_iteration": 9, "loss": 50})
    by_time = search(max_t=60, time_attr="time_total_s")
    for one, seconds in ((by_max_t, 0), (by_stop, 0), (by_time, 60)):
        one.suggest("a")
        one.on_trial_complete("a", result(9, 0.8, done=True, time_total_s=seconds))
        one.suggest("b")
        one.on_trial_complete("b", result(8, 0.8, done=True, time_total_s=59))
        assert [t.state for t in one.history.trials] == [State.COMPLETE, State.PRUNED]
    by_max_t.suggest("paused at the end")
    by_max_t.on_trial_result("paused at the end", result(9, 0.6))
    by_max_t.on_trial_complete("paused at the end")
    assert by_max_t.history.trials[-1].values == {"loss": 0.6}


def test_a_guess_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    one = search()
    for name in "ab":
        one.suggest(name)
        one.on_trial_complete(name, result(2, 0.7, done=True))
    (said,) = [r.getMessage() for r in caplog.records]
    assert "counts as stopped early" in said and "max_t" in said


@pytest.mark.parametrize("at", [{"max_t": 9, "grace_period": 1}, {"max_t": 27, "grace_period": 1}])
def test_a_watched_scheduler_says_what_it_decided(at: dict[str, int]) -> None:
    one = search()
    base = ASHAScheduler(**at, reduction_factor=3)
    scheduler = watch(one, base)
    assert one.whole.max_t == at["max_t"] and one.whole.watched
    assert scheduler.set_search_properties("loss", "min")
    assert scheduler.metric == "loss" and scheduler.supports_buffered_results
    controller: Any = None
    for number in range(9):
        name, trial = f"t{number}", SimpleNamespace(trial_id=f"t{number}")
        one.suggest(name)
        scheduler.on_trial_add(controller, trial)
        for step in range(1, 10):
            said = result(step, number + 1 / step)
            if scheduler.on_trial_result(controller, trial, said) == "STOP":
                scheduler.on_trial_complete(controller, trial, said)
                one.on_trial_complete(name, {**said, "done": True})
                break
            one.on_trial_result(name, said)
        else:
            one.on_trial_complete(name, result(9, number + 1 / 9, done=True))
    states = [t.state for t in one.history.trials]
    assert states[:3] == [State.COMPLETE] + [State.PRUNED] * 2 or State.PRUNED in states
    for trial in one.history.trials:
        assert trial.state in (State.COMPLETE, State.PRUNED)
        last = trial.reports[-1].step
        assert (trial.state is State.COMPLETE) == (last == 9)
        assert trial.state is State.COMPLETE or "AsyncHyperBandScheduler at step" in trial.reason
    assert "AsyncHyperBand" in scheduler.debug_string()


def test_how_long_a_watched_training_is() -> None:
    """The names that `watch` reads are Ray's own, and no public ones."""
    for scheduler, whole in (
        (ASHAScheduler(max_t=7), 7),
        (HyperBandScheduler(max_t=8), 8),
        (MedianStoppingRule(), None),
    ):
        one = search()
        watch(one, scheduler)
        assert one.whole.max_t == whole
        mine = search(max_t=5)
        watch(mine, scheduler)
        assert mine.whole.max_t == 5
    beyond = search()
    watch(beyond, ASHAScheduler(max_t=7, stop_last_trials=False))
    assert beyond.whole.max_t is None, "survivors go on, so that who ends there was cut"
    inside = search()
    watch(inside, ResourceChangingScheduler(ASHAScheduler(max_t=7)))
    assert inside.whole.max_t == 7
    by_time = search()
    watch(by_time, ASHAScheduler(max_t=60, time_attr="time_total_s"))
    assert by_time.whole.time_attr == "time_total_s"


def test_our_early_stopping_is_a_function_of_the_history(tmp_path: Path) -> None:
    def play(one: MatscoutSearch, numbers: range) -> None:
        scheduler = pruned_by(one, "asha", min_step=1, factor=3)
        for number in numbers:
            name, trial = f"t{number}", SimpleNamespace(trial_id=f"t{number}")
            one.suggest(name)
            for step in (1, 2, 3):
                said = result(step, (7 * number) % 10 + 1 / step)
                if scheduler.on_trial_result(None, trial, said) == "STOP":
                    one.on_trial_complete(name, {**said, "done": True})
                    break
                one.on_trial_result(name, said)
            else:
                one.on_trial_complete(name, result(3, 0.0, done=True))

    unbroken = search()
    play(unbroken, range(20))
    states = [t.state for t in unbroken.history.trials]
    assert 5 < states.count(State.PRUNED) < 18 and states.count(State.COMPLETE) > 2
    first, second = search(), search()
    play(first, range(10))
    first.save(str(tmp_path / "state"))
    second.restore(str(tmp_path / "state"))
    play(second, range(10, 20))
    assert [plain(t) for t in second.history.trials] == [plain(t) for t in unbroken.history.trials]
    with pytest.raises(InputError, match="did you mean 'median'"):
        pruned_by(second, "meddian")


@pytest.mark.parametrize("proposer", ["random", "tpe", "gp"])
def test_no_point_twice_and_an_end_where_there_are_no_more(proposer: str) -> None:
    space = {"a": tune.choice(["u", "v"]), "k": tune.randint(0, 6)}
    one = search(proposer, space)
    configs: list[Any] = []
    for number in range(12):
        configs.append(one.suggest(f"t{number}"))
        if number >= 4:
            value = configs[number - 4]["k"]
            one.on_trial_complete(f"t{number - 4}", result(1, value, done=True, finished=True))
    assert len({json.dumps(c) for c in configs}) == 12
    assert one.suggest("t12") == Searcher.FINISHED


def test_limits_are_kept_and_freed() -> None:
    one = search()
    limited = ConcurrencyLimiter(one, max_concurrent=2)
    assert limited.set_search_properties("loss", "min", SPACE)
    assert limited.suggest("a") and limited.suggest("b")
    assert limited.suggest("c") is None
    limited.on_trial_complete("a", result(1, 0.4, done=True, finished=True))
    assert limited.suggest("c") and limited.suggest("d") is None


def test_points_to_evaluate_come_first(tmp_path: Path) -> None:
    points = [{"x": 1.5, "k": 2, "c": 1}, {"x": -2.0, "k": 0}, {"x": 1.5, "k": 2}]
    one = search(points_to_evaluate=points)
    assert [one.suggest("a"), one.suggest("b")] == [{"x": 1.5, "k": 2}, {"x": -2.0, "k": 0}]
    third = one.suggest("c")
    assert third not in points
    one.save(str(tmp_path / "state"))
    two = search(points_to_evaluate=points)
    two.restore(str(tmp_path / "state"))
    assert two.suggest("d") == {"x": 1.5, "k": 2}  # nobody works on it any more
    for point, said in (({"x": 9.0, "k": 2}, "x=9.0 is outside"), ({"k": 2}, "x is missing")):
        with pytest.raises(InputError, match=r"points_to_evaluate\[0\]: " + said):
            search(points_to_evaluate=[point]).suggest("a")


def test_several_metrics() -> None:
    one = MatscoutSearch("nsga2", metric=["loss", "size"], mode=["min", "max"])
    assert one.set_search_properties(None, None, SPACE)
    for number in range(3):
        one.suggest(f"t{number}")
        said = result(1, 0.4, size=number, done=True, finished=True, loss_sem=0.2, sem=0.9)
        one.on_trial_complete(f"t{number}", said)
    last = one.history.trials[-1]
    assert last.values == {"loss": 0.4, "size": 2.0} and last.sem == {"loss": 0.2}
    assert [t.direction for t in one.history.targets] == ["min", "max"]


def test_a_conditional_space_and_a_proposer_as_an_object() -> None:
    table = {
        "parameters": {
            "kind": {"type": "categorical", "choices": ["a", "b"]},
            "x": {"type": "float", "low": 0.0, "high": 1.0, "when": {"kind": ["b"]}},
        }
    }
    one = MatscoutSearch(TpeProposer(startup=2), space=table, metric="loss", mode="max")
    configs = []
    for number in range(6):
        configs.append(one.suggest(f"t{number}"))
        one.on_trial_complete(f"t{number}", result(1, 1.0, done=True, finished=True))
    assert all(("x" in c) == (c["kind"] == "b") for c in configs if isinstance(c, dict))
    assert one.history.trials[-1].proposer == "tpe"
    with pytest.raises(InputError, match="a param_space beside the searcher's own"):
        one.set_search_properties("loss", "max", SPACE)
    assert one.set_search_properties("loss", "max", {"epochs": 5})


# -- killed, damaged, mistaken ----------------------------------------------------------------


def test_with_a_run_folder_nothing_is_lost_that_tune_forgot(tmp_path: Path) -> None:
    unbroken = Tune(search("tpe", seed=3))
    unbroken.run(14)
    first = Tune(search("tpe", seed=3, run=tmp_path / "run"))
    first.run(4)
    first.searcher.save_to_dir(str(tmp_path), "session-1")
    snapshot = [[f"t{i}", "TERMINATED" if i < 2 else "RUNNING"] for i in range(4)]
    write_snapshot(tmp_path / "experiment_state-1.json", snapshot)
    first.run(5)  # Tune knows nothing of these: here the driver dies
    first.searcher.close()
    known = [plain(t) for t in first.searcher.history.trials]

    again = search("tpe", seed=3, run=tmp_path / "run")
    again.restore_from_dir(str(tmp_path))
    assert [plain(t) for t in again.history.trials] == known
    orphans = [t.id for t in again.history.pending]
    assert orphans == [7, 8] and not again.history.in_flight
    # What Tune takes up again is over for us, and says nothing new.
    again.on_trial_result("t2", result(1, 0.3))
    again.on_trial_complete("t2")
    assert [plain(t) for t in again.history.trials] == known

    second = Tune(again, first=7, sitting="u")
    second.run(7)
    assert first.suggested[:7] + second.suggested == unbroken.suggested
    theirs, ours = unbroken.searcher.history, again.history
    assert [plain(t) for t in ours.trials] == [plain(t) for t in theirs.trials]
    again.close()
    history, spec = load(RunFolder(tmp_path / "run"))
    assert len(history.trials) == 14 and spec.name == "run"


def test_a_new_tuner_goes_on_with_a_run_folder(tmp_path: Path) -> None:
    first = Tune(search(seed=3, run=tmp_path / "run"))
    first.run(5)
    second = search(seed=3, run=tmp_path / "run")  # the first still has it open
    assert second.suggest("new") == first.suggested[3]
    assert [t.state for t in second.history.trials[3:]] == [State.PENDING] * 2
    assert list(second.history.in_flight) == [3]
    for other in (
        search(seed=4, run=tmp_path / "run"),
        search("sobol", seed=3, run=tmp_path / "run"),
        search(seed=3, run=tmp_path / "run", space={"x": tune.uniform(0, 1)}),
    ):
        with pytest.raises(InputError, match="was made with"):
            other.suggest("a")


def test_a_lost_run_folder_is_made_again_from_tunes_snapshot(tmp_path: Path) -> None:
    first = Tune(search(seed=3, run=tmp_path / "run"))
    first.run(5)
    first.searcher.save(str(tmp_path / "state"))
    known = [plain(t) for t in first.searcher.history.trials]
    first.searcher.close()
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    again = search(seed=3, run=tmp_path / "run")
    again.restore(str(tmp_path / "state"))
    assert [plain(t) for t in again.history.trials] == known
    again.close()
    other = Tune(search(seed=3, run=tmp_path / "other"))
    other.run(3)
    other.finish(*other.open[0])
    with pytest.raises(InputError, match="is not the run that Tune's snapshot"):
        search(seed=3, run=tmp_path / "other").restore(str(tmp_path / "state"))


def test_what_tune_knows_and_we_do_not(tmp_path: Path) -> None:
    """Tune's trials are written, and copied, before our state."""
    first = search()
    configs = {name: first.suggest(name) for name in "abcd"}
    first.on_trial_result("a", result(1, 0.9))
    first.on_trial_result("b", result(1, 0.8))
    first.save_to_dir(str(tmp_path), "1")
    ended = {"training_iteration": 1, "loss": 0.9, "done": True}
    new = {"x": 0.25, "k": 3, "c": 1}
    trials = [
        ["a", "TERMINATED", configs["a"], ended],
        ["b", "ERROR", configs["b"], {}],
        ["c", "RUNNING", configs["c"], {}],
        ["e", "TERMINATED", new, {**ended, "loss": 0.4, "finished": True}],
        ["f", "RUNNING", {**new, "k": 4}, {}],
        ["g", "RUNNING", {**new, "k": 99}, {}],
    ]
    write_snapshot(tmp_path / "experiment_state-1.json", trials)
    again = search()
    again.restore_from_dir(str(tmp_path))
    states = [t.state for t in again.history.trials]
    assert states == [
        State.COMPLETE,
        State.FAILED,
        *[State.PENDING] * 2,
        State.COMPLETE,
        State.PENDING,
    ]
    assert again.history.trials[4].values == {"loss": 0.4}
    assert sorted(again.history.in_flight) == [2, 5]
    assert again.suggest("new") == configs["d"]


def test_silence_says_nothing_where_the_verdict_may_have_been_lost(tmp_path: Path) -> None:
    """A watched scheduler stopped it after our last snapshot: three epochs are no whole training."""

    def watched() -> MatscoutSearch:
        one = search()
        watch(one, ASHAScheduler(max_t=100))
        return one

    first = watched()
    config = first.suggest("a")
    for step in (1, 2):
        first.on_trial_result("a", result(step, 0.9))
    first.save_to_dir(str(tmp_path), "1")
    ended = {"training_iteration": 3, "loss": 0.7, "done": True}
    write_snapshot(tmp_path / "experiment_state-1.json", [["a", "TERMINATED", config, ended]])
    again = watched()
    again.restore_from_dir(str(tmp_path))
    assert again.history.trials[0].state is State.PRUNED and not again.history.trials[0].values
    assert again.whole.watched


def test_a_state_that_cannot_be_read_is_never_a_fresh_start(tmp_path: Path) -> None:
    first = Tune(search(seed=3))
    first.run(5)
    first.searcher.save_to_dir(str(tmp_path), "1")
    path = tmp_path / "searcher-state-1.json"
    good = path.read_text()
    newer = json.loads(good)
    newer["matscout"]["schema"] = 99
    bad = {
        "cut": good[: len(good) // 2],
        "empty": "",
        "flipped": good.replace('"k":', '"j":', 1).replace('"k": ', '"j": ', 1),
        "other": '{"a": 1}',
        "newer": json.dumps(newer),
    }
    for name, text in bad.items():
        path.write_text(text)
        again = search(seed=3)
        with pytest.raises(MatscoutError, match=r"searcher-state-1\.json") as error:
            again.restore_from_dir(str(tmp_path))
        assert "\n" not in str(error.value), name
        with pytest.raises(MatscoutError):  # Tune logs "Restarting experiment.", and asks
            again.suggest("a")
    path.unlink()
    again = search(seed=3)
    with pytest.raises(InputError, match="holds no searcher-state"):
        again.restore_from_dir(str(tmp_path))
    path.write_text(good)
    with pytest.raises(InputError, match="another space"):
        search(seed=3, space={"x": tune.uniform(0, 1)}).restore_from_dir(str(tmp_path))


def test_a_retried_trial_goes_over_its_steps_again() -> None:
    one = search()
    one.suggest("a")
    for step in (1, 2, 3):
        one.on_trial_result("a", result(step, 0.5 / step))
    for step in (2, 3):
        one.on_trial_result("a", result(step, 0.4 / step))
    (trial,) = one.history.trials
    assert [r.step for r in trial.reports] == [1, 2, 3]
    assert trial.reports[1].values == {"loss": 0.2}


def test_what_tune_pickles_is_what_it_was_made_with(tmp_path: Path) -> None:
    one = search("tpe", seed=3, run=tmp_path / "run")
    scheduler = watch(one, ASHAScheduler(max_t=9))
    one.suggest("a")
    both = cloudpickle.loads(cloudpickle.dumps({"search_alg": one, "scheduler": scheduler}))
    other = both["search_alg"]
    assert other.whole == one.whole and both["scheduler"]._search is other
    assert other._kept is None
    one.close()
    assert other.suggest("b") == one.suggest("a")


def test_mistakes_are_one_line() -> None:
    with pytest.raises(InputError, match="did you mean 'gp'"):
        MatscoutSearch("gpp")
    with pytest.raises(InputError, match="unknown key 'start_up'"):
        MatscoutSearch("gp", options={"start_up": 3})
    with pytest.raises(InputError, match="must be min or max"):
        MatscoutSearch(metric="loss", mode="down")
    with pytest.raises(InputError, match="one for each metric"):
        MatscoutSearch(metric=["loss", "size"], mode=["min"])
    with pytest.raises(InputError, match="there is no space"):
        MatscoutSearch(metric="loss", mode="min").suggest("a")
    with pytest.raises(InputError, match="metric and mode are missing"):
        MatscoutSearch(space={"ready": "tabular_svm"}).suggest("a")
    with pytest.raises(InputError, match="seed"):
        MatscoutSearch(seed=-1)


def test_events_say_which_tune_trial_it_was(tmp_path: Path) -> None:
    one = search()
    one.suggest("abc_1")
    (_, asked, dispatched) = one._record.events
    assert asked.kind is EventKind.ASKED and asked.body["params"]
    assert dispatched.body == {"to": "tune", "id": "abc_1"}


def test_while_the_disk_refuses_tune_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = search(run=tmp_path / "run")
    one.suggest("a")
    journal: Any = one._record._journal
    append, full, waited = journal.append, [JournalUnavailable("disk full")] * 2, list[float]()

    def refusing(*events: Any) -> Any:
        if full:
            raise full.pop()
        return append(*events)

    monkeypatch.setattr(journal, "append", refusing)
    monkeypatch.setattr("matscout.tune_bridge.record.time.sleep", waited.append)
    one.on_trial_complete("a", result(1, 0.5, done=True, finished=True))
    assert waited == [1.0, 1.0] and one.history.trials[0].values == {"loss": 0.5}
    assert [r.getMessage() for r in caplog.records] == [
        "paused: disk full; goes on when the disk takes it"
    ]
    one.close()
    assert load(RunFolder(tmp_path / "run"))[0].trials[0].state is State.COMPLETE


def test_our_commands_read_the_run_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from matscout.cli.app import main

    one = Tune(search("random", seed=3, run=tmp_path / "tuned"))
    one.run(8)
    one.searcher.close()
    runs = ["tuned", "--runs", str(tmp_path)]
    for words in (["status"], ["verify"], ["export", "--out", str(tmp_path / "trials.csv")]):
        with pytest.raises(SystemExit) as end:
            main([words[0], *runs, *words[1:]])
        assert not end.value.code, capsys.readouterr()
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 9
    with pytest.raises(SystemExit) as end:
        main(["resume", *runs])
    assert end.value.code == 2 and "use Tuner.restore" in capsys.readouterr().err
