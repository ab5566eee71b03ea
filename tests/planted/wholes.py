"""Recordings that go in circles, are there twice or do not end; datasets that leak or lean to one side."""

from collections.abc import Callable

from .planting import N, Planting
from .store import Row, Store, Tree, copied


def _same(store: Store, name: str, numbers: list[int], like: list[int]) -> None:
    """Make recorded steps the same as others: screen and action."""
    steps = store.recording(name)
    for number, other in zip(numbers, like, strict=True):
        for column in ("image", "step", "observation"):
            value = steps[other][column]
            steps[number][column] = dict(value) if isinstance(value, dict) else value


def _long(n: int) -> Callable[[list[Row]], bool]:
    return lambda rows: sum(row["step"] is not None for row in rows) >= n


def _at(store: Store, name: str, index: int) -> str:
    of = [row for row in store.of(name) if row["step_index"] == index]
    return str(min(of, key=lambda row: row["origin"] != "clean")["sample_id"])


def three_times(store: Store) -> list[str]:
    """The same tap on the same screen three times."""
    names = store.recordings(N, _long(5))
    for name in names:
        _same(store, name, [2, 3], [1, 1])
    return [_at(store, name, 3) for name in names]


def to_and_fro(store: Store) -> list[str]:
    """Two steps, and the same two again."""
    names = store.recordings(N, _long(5))
    for name in names:
        _same(store, name, [2, 3], [0, 1])
    return [_at(store, name, 3) for name in names]


def stuck(store: Store) -> list[str]:
    """Five different taps that all leave the screen as it is."""
    names = store.recordings(N, _long(6))
    for name in names:
        for number, row in enumerate(store.recording(name)[:5]):
            row["image"] = dict(store.recording(name)[0]["image"])
            with Tree(row, "step") as step:
                step["actions"] = [{"type": "click", "point": [0.1 + 0.1 * number, 0.5]}]
    return [_at(store, name, 4) for name in names]


def breaks_off(store: Store) -> list[str]:
    """A recording whose last step just taps."""
    names = store.recordings(N, _long(3))
    found = []
    for name in names:
        last = [row for row in store.recording(name) if row["step"] is not None][-1]
        with Tree(last, "step") as step:
            step["actions"] = [{"type": "click", "point": [0.5, 0.5]}]
        found.append(_at(store, name, last["step_index"]))
    return found


def failed(store: Store) -> list[str]:
    """A recording that failed and ends with a claim of success."""

    def claims(rows: list[Row]) -> bool:
        return any('"terminate"' in (row["step"] or "") and '"success"' in row["step"] for row in rows)

    names = store.recordings(N, claims)
    found = []
    for name in names:
        for row in store.recording(name):
            with Tree(row, "trajectory") as header:
                header["outcome"] = {"status": "failure", "by": "env"}
        found.append(next(str(row["sample_id"]) for row in store.of(name) if '"terminate"' in row["target"]))
    return found


def again(store: Store, name: str, new: str) -> list[Row]:
    """Add a recording again under another id; return its new samples."""
    store.steps += copied(store.recording(name), trajectory_id=new)
    made = copied([row for row in store.of(name) if row["origin"] == "clean"], trajectory_id=new)
    for row in made:
        row["sample_id"] = row["sample_id"].replace(name, new, 1)
    store.samples += made
    return made


def twice(store: Store) -> list[str]:
    """Recordings that are there twice, under other ids."""
    return [again(store, name, f"{name}-copy")[0]["sample_id"] for name in store.recordings(N)]


def nearly_twice(store: Store) -> list[str]:
    """Recordings that are there twice, the second taps a pixel off, on screens stored anew."""
    found = []
    for name in store.recordings(N, lambda rows: any('"click"' in (row["step"] or "") for row in rows)):
        made = again(store, name, f"{name}-take2")
        for row in store.recording(f"{name}-take2"):
            with Tree(row, "trajectory") as header:
                header["device"] = {"name": "another"}
            if row["step"]:
                row["step"] = row["step"].replace('"count":1', '"count":1')
                with Tree(row, "step") as step:
                    for action in step["actions"]:
                        if action.get("type") == "click" and action.get("point"):
                            action["point"][0] = int(action["point"][0] * 10) / 10 + 0.04
        for row in store.recording(name):
            if row["step"]:
                with Tree(row, "step") as step:
                    for action in step["actions"]:
                        if action.get("type") == "click" and action.get("point"):
                            action["point"][0] = int(action["point"][0] * 10) / 10 + 0.05
        found.append(made[0]["sample_id"])
    return found


def contradicts(store: Store) -> list[str]:
    """The same goal and screen, and another decision."""
    found = []
    told = {(row["trajectory_id"], row["step_index"]) for row in store.samples if row["origin"] == "clean"}
    for name in store.recordings(N, lambda rows: (rows[0]["trajectory_id"], 1) in told):
        again(store, name, f"{name}-other")
        with Tree(store.recording(f"{name}-other")[1], "step") as step:
            step["actions"] = [{"type": "button", "name": "home"}]
        found.append(_at(store, name, 1))
    return found


def same_id(store: Store) -> list[str]:
    """A sample that is there twice."""
    rows = store.pick(N)
    store.samples += copied(rows)
    return [row["sample_id"] for row in rows]


def both_sides(store: Store) -> list[str]:
    """A recording of train with one decision in val."""
    rows = store.pick(N, lambda row: row["split"] == "train" and len(store.of(row["trajectory_id"])) > 2)
    for row in rows:
        row["split"] = "val"
    return [row["sample_id"] for row in rows]


def goal_on_both(store: Store) -> list[str]:
    """A recording of train again in val, its goal in other case."""
    found = []
    for name in store.recordings(N, lambda rows: rows[0]["split"] == "train"):
        made = again(store, name, f"{name}-val")
        for row in (*made, *store.recording(f"{name}-val")):
            row["split"], row["goal"] = "val", row["goal"].upper() if row["lang"] == "en" else row["goal"] + " "
        found.append(made[0]["sample_id"])
    return found


def seen(store: Store) -> list[str]:
    """A recording of train again in val, its goal reworded a little."""
    found = []
    for name in store.recordings(N, lambda rows: rows[0]["split"] == "train" and len(rows[0]["goal"].split()) > 5):
        made = again(store, name, f"{name}-val")
        for row in (*made, *store.recording(f"{name}-val")):
            row["split"], row["goal"] = "val", f"{row['goal']} please"
        found.append(next(row["sample_id"] for row in made if '"click"' in row["target"]))
    return found


def only_taps(store: Store) -> list[str]:
    """Nothing but taps."""
    for row in store.steps:
        if row["step"]:
            with Tree(row, "step") as step:
                step["actions"] = [{"type": "click", "point": [0.5, 0.5]}]
    return ["the dataset"] * N


def only_app(store: Store) -> list[str]:
    """Screens of one app only."""
    for row in store.steps:
        row["app"] = "Shop"
    return ["the dataset"] * N


def all_corrected(store: Store) -> list[str]:
    """Half of the samples are corrections."""
    made = [row for row in store.samples if row["origin"] != "clean"]
    store.samples = [row for row in store.samples if row["origin"] == "clean"][: len(made)] + made
    return ["the dataset"] * N


KINDS = {
    "the same tap three times": Planting("loop", three_times),
    "to and fro": Planting("loop", to_and_fro),
    "stuck on one screen": Planting("no_progress", stuck),
    "breaks off": Planting("no_end", breaks_off),
    "failed and claims success": Planting("false_success", failed),
    "a recording twice": Planting("duplicate", twice),
    "a recording nearly twice": Planting("near_duplicate", nearly_twice),
    "another decision for the same": Planting("contradiction", contradicts),
    "an id twice": Planting("repeated_id", same_id),
    "a recording on both sides": Planting("split", both_sides),
    "a goal on both sides": Planting("split", goal_on_both),
    "val decides what train does": Planting("seen_in_train", seen),
    "nothing but taps": Planting("action_balance", only_taps),
    "one app only": Planting("app_balance", only_app),
    "half of them corrections": Planting("correction_share", all_corrected),
}
