"""The store: what is in use, after promotions, ways back, and every kind of damage."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import sha256_of
from detector.emotion.model_store import (
    DEFAULT_MODEL,
    LOG,
    MODELS_FOLDER,
    ModelStoreError,
    Promotion,
    available,
    current_model,
    find_model,
    find_stored,
    install,
    promotions,
    record,
    roll_back,
    shipped_default,
    store_folder,
    timestamp,
)
from detector.errors import DetectorError, ModelLoadError

NOW = datetime(2026, 11, 21, 13, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "store"
    monkeypatch.setenv("AD_MONITOR_MODELS", str(folder))
    return folder


def make_model(
    folder: Path, name: str, content: bytes = b"", *, labels: tuple[str, ...] = EMOTIONS
) -> Path:
    """A model with a valid card, as far as the store looks."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / f"{name}.keras"
    model.write_bytes(content or name.encode())
    card = {
        "name": name,
        "labels": labels,
        "input_side_px": 48,
        "crop_scale": 1,
        "crop_raise": 0,
        "temperature": 1,
        "uncertain_below": 0,
        "sha256": sha256_of(model),
    }
    model.with_suffix(".json").write_text(json.dumps(card))
    model.with_suffix(".md").write_text(f"# {name}")
    model.with_suffix(".tflite").write_bytes(b"twin of " + name.encode())
    return model


def promoted(name: str, path: Path | None = None, **changes: object) -> Promotion:
    values = {
        "time": timestamp(NOW),
        "event": "promoted",
        "model": name,
        "origin": "own" if path else "shipped",
        "sha256": sha256_of(path) if path else "",
        "replaced": DEFAULT_MODEL,
    }
    return Promotion(**(values | changes))  # type: ignore[arg-type]


def use(folder: Path, name: str) -> Path:
    """Install a model and promote it."""
    path = install(make_model(folder, name))
    record(promoted(name, path))
    return path


def test_the_store_is_where_the_variable_says_or_among_the_users_data(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store_folder() == store
    monkeypatch.delenv("AD_MONITOR_MODELS")
    assert store_folder().parts[-2:] == ("ad-monitor", "models")


def test_without_a_store_the_shipped_default_is_in_use(store: Path) -> None:
    assert (
        current_model()
        == find_model()
        == shipped_default()
        == MODELS_FOLDER / f"{DEFAULT_MODEL}.keras"
    )
    assert promotions() == []
    [default] = [model for model in available() if model.current]
    assert (default.name, default.origin, default.path) == (
        DEFAULT_MODEL,
        "shipped",
        shipped_default(),
    )
    assert not store.exists()


def test_a_model_is_installed_with_all_its_files(tmp_path: Path, store: Path) -> None:
    model = make_model(tmp_path / "run", "mine")
    installed = install(model)
    assert installed == store / "mine.keras" == find_stored("mine") == find_model("mine")
    assert sorted(file.name for file in store.iterdir()) == [
        "mine.json",
        "mine.keras",
        "mine.md",
        "mine.tflite",
    ]
    for file in store.iterdir():
        assert file.read_bytes() == (tmp_path / "run" / file.name).read_bytes()
        assert file.stat().st_mode & 0o777 == 0o644
    assert install(model) == install(installed) == installed
    assert [(found.name, found.origin, found.current) for found in available()][-1] == (
        "mine",
        "own",
        False,
    )


def test_a_model_without_twin_and_text_is_installed_too(tmp_path: Path, store: Path) -> None:
    model = make_model(tmp_path / "run", "mine")
    model.with_suffix(".tflite").unlink()
    model.with_suffix(".md").unlink()
    install(model)
    assert sorted(file.name for file in store.iterdir()) == ["mine.json", "mine.keras"]


def test_a_shipped_model_stays_where_it_is(store: Path) -> None:
    assert install(shipped_default()) == shipped_default()
    assert not store.exists()


@pytest.mark.parametrize("name", ["mine", DEFAULT_MODEL])
def test_a_taken_name_is_refused(tmp_path: Path, name: str) -> None:
    if name == "mine":
        install(make_model(tmp_path / "first", name))
    with pytest.raises(
        ModelStoreError, match=rf"another model named {name} already .*under another --name"
    ):
        install(make_model(tmp_path / "second", name, b"other content"))


def test_a_model_that_does_not_belong_to_its_card_is_refused(tmp_path: Path, store: Path) -> None:
    model = make_model(tmp_path / "run", "mine")
    model.write_bytes(b"changed")
    with pytest.raises(ModelLoadError, match="not the one its card describes"):
        install(model)
    model.with_suffix(".json").write_text("{}")
    with pytest.raises(ModelLoadError, match=r"mine\.json is not valid"):
        install(model)
    with pytest.raises(ModelLoadError, match=r"has no card: expected nowhere\.json beside it"):
        install(tmp_path / "nowhere.keras")
    assert not store.exists()


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path, store: Path) -> None:
    model = make_model(tmp_path / "run", "mine")
    store.write_text("a file where a folder should be")
    with pytest.raises(
        ModelStoreError,
        match=r" \(File exists\): make that folder writable, or name another one in AD_MONITOR",
    ):
        install(model)
    with pytest.raises(
        ModelStoreError, match=r"log of promotions .* cannot be written \(File exists\)"
    ):
        record(promoted("mine", model))
    assert issubclass(ModelStoreError, DetectorError)


def test_a_failed_copy_leaves_nothing_behind(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(tmp_path / "run", "mine")

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("detector.emotion.model_store.shutil.copyfileobj", full)
    with pytest.raises(ModelStoreError, match="No space left on device"):
        install(model)
    assert list(store.iterdir()) == []


def test_promotions_and_the_way_back(tmp_path: Path, store: Path) -> None:
    first, second = use(tmp_path, "first"), use(tmp_path, "second")
    assert current_model() == find_model() == second
    assert [model.name for model in available() if model.current] == ["second"]
    back = roll_back(NOW)
    assert (back.event, back.model, back.origin, back.replaced) == (
        "rolled back",
        "first",
        "own",
        "second",
    )
    assert (back.time, back.sha256) == ("2026-11-21T12:00:00+00:00", sha256_of(first))
    assert current_model() == first
    assert (roll_back().model, current_model()) == (DEFAULT_MODEL, shipped_default())
    with pytest.raises(
        ModelStoreError, match=f"nothing to roll back: the shipped {DEFAULT_MODEL} is in use"
    ):
        roll_back()
    record(promoted("second", second))
    assert current_model() == second
    assert [entry.event for entry in promotions()] == ["promoted"] * 2 + ["rolled back"] * 2 + [
        "promoted"
    ]
    assert len((store / LOG).read_text().splitlines()) == 5


def test_a_refusal_is_logged_and_changes_nothing(tmp_path: Path) -> None:
    first = use(tmp_path, "first")
    entry = promoted(
        "worse", event="refused", reasons=("It is worse.",), figures={"rows": 3}, replaced="first"
    )
    record(entry)
    assert promotions()[-1] == entry
    assert current_model() == first
    assert roll_back().model == DEFAULT_MODEL


def test_a_way_back_to_a_model_that_is_gone_is_refused(tmp_path: Path) -> None:
    first, second = use(tmp_path, "first"), use(tmp_path, "second")
    first.unlink()
    with pytest.raises(
        ModelStoreError, match=r"The model before second is gone: expected .*first\.keras"
    ):
        roll_back()
    assert current_model() == second


@pytest.mark.parametrize("damage", ["gone", "cut", "changed card"])
def test_a_damaged_model_gives_way_to_the_shipped_one(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = use(tmp_path, "mine")
    if damage == "gone":
        model.unlink()
    elif damage == "cut":
        model.write_bytes(model.read_bytes()[:-1])
    else:
        model.with_suffix(".json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert find_model() == shipped_default()
    assert f"The shipped {DEFAULT_MODEL} is used instead" in caplog.text


def test_a_model_of_other_labels_is_used_and_left_again(tmp_path: Path) -> None:
    model = use(tmp_path, "mine")
    make_model(model.parent, "mine", labels=("happy", "sad"))
    assert find_model() == model
    roll_back()
    assert find_model() == shipped_default()


def test_a_shipped_model_may_be_newer_than_its_promotion() -> None:
    record(promoted(DEFAULT_MODEL, sha256="of an older version"))
    assert current_model() == shipped_default()


@pytest.mark.parametrize(
    "line",
    [
        b'{"time": "2026',
        b"[1, 2]",
        b"\xff\xfe",
        b'{"event": "promoted"}',
        b'{"time": "", "event": "danced", "model": "mine", "origin": "own", "sha256": "", "replaced": ""}',
        b'{"time": "", "event": "promoted", "model": "../mine", "origin": "own", "sha256": "", "replaced": ""}',
        b'{"time": "", "event": "promoted", "model": 7, "origin": "own", "sha256": "", "replaced": ""}',
    ],
)
def test_a_broken_line_is_passed_over(
    tmp_path: Path, store: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first = use(tmp_path, "first")
    with (store / LOG).open("ab") as log:
        log.write(line)  # cut off: without its end
    with caplog.at_level(logging.WARNING):
        assert current_model() == first
    assert f"Line 2 of {store / LOG} is skipped" in caplog.text
    second = use(tmp_path, "second")
    assert current_model() == second
    assert len(promotions()) == 2


def test_what_a_later_version_adds_to_the_log_is_left_alone(tmp_path: Path, store: Path) -> None:
    model = use(tmp_path, "mine")
    entry = json.loads((store / LOG).read_text()) | {
        "approved_by": "somebody",
        "time": "2030-01-01T00:00:00+00:00",
    }
    (store / LOG).write_text(json.dumps(entry) + "\n\n")
    assert current_model() == model
    assert promotions()[0].time == "2030-01-01T00:00:00+00:00"


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/passwd", "nowhere"])
def test_only_names_are_looked_up(name: str) -> None:
    assert find_stored(name) is None


@pytest.mark.parametrize("name", ["", "sphinx"])
def test_an_unknown_model_is_named_with_the_own_ones(tmp_path: Path, name: str) -> None:
    install(make_model(tmp_path, "mine"))
    with pytest.raises(ModelLoadError, match=rf"no model '{name}': .*{DEFAULT_MODEL}.*mine"):
        find_model(name)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)
@given(st.lists(st.sampled_from(["promote", "refuse", "back"]), max_size=12))
def test_the_log_is_a_pile(tmp_path: Path, store: Path, steps: list[str]) -> None:
    (store / LOG).unlink(missing_ok=True)
    pile = [DEFAULT_MODEL]
    for number, step in enumerate(steps):
        name = f"model{number}"
        if step == "promote":
            path = make_model(store, name)
            record(promoted(name, path))
            pile.append(name)
        elif step == "refuse":
            record(promoted(name, event="refused"))
        elif len(pile) > 1:
            pile.pop()
            assert roll_back().model == pile[-1]
        else:
            with pytest.raises(ModelStoreError):
                roll_back()
        assert current_model().stem == pile[-1]


def test_a_checksum_by_known_answer(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == hashlib.sha256(b"abc").hexdigest()
    assert timestamp(NOW) == "2026-11-21T12:00:00+00:00"
