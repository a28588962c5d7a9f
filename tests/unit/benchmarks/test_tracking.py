"""Known answers: which reading belongs to whom, who was counted how often and how long, and the
published measures.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks import tracking
from benchmarks.tracking import Person, Run, Shot, Sighting, Stage
from detector.types import AnalysedFrame, Box, FaceReading, Frame, HeadPose

REACH = 90.0
LEFT, RIGHT = (128.0, 180.0), (384.0, 180.0)


def seen(viewer: int, place: tuple[float, float] = LEFT, label: str | None = "happy") -> Sighting:
    return Sighting(viewer, *place, label)


def film(*frames: Sequence[Sighting]) -> list[Shot]:
    """Ten frames a second."""
    return [Shot(index / 10, tuple(sightings)) for index, sightings in enumerate(frames)]


ALONE = Person(0, 0.0, 10.0, LEFT)
PAIR = [ALONE, Person(1, 0.0, 10.0, RIGHT)]


class TestTruth:
    def test_a_person_is_there_from_the_first_moment_to_just_before_the_last(self) -> None:
        person = Person(0, 1.0, 2.0)
        assert [person.in_view(time_s) for time_s in (0.99, 1.0, 1.99, 2.0)] == [
            False,
            True,
            True,
            False,
        ]

    def test_a_margin_narrows_the_stay_and_a_negative_one_widens_it(self) -> None:
        person = Person(0, 1.0, 2.0)
        assert [person.in_view(time_s, 0.25) for time_s in (1.2, 1.25, 1.74, 1.75)] == [
            False,
            True,
            True,
            False,
        ]
        assert [person.in_view(time_s, -0.25) for time_s in (0.74, 0.75, 2.24, 2.25)] == [
            False,
            True,
            True,
            False,
        ]

    def test_without_times_it_is_there_for_good(self) -> None:
        assert Person(0).in_view(0.0)
        assert Person(0).in_view(1e6, 5.0)

    def test_a_file_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "truth.json"
        path.write_text(
            json.dumps([{"id": 3, "emotion": "sad", "x": 1, "y": 2.5, "enter": 0.5, "leave": 4}])
        )
        assert tracking.people_of(path) == [Person(3, 0.5, 4.0, (1.0, 2.5))]

    @pytest.mark.parametrize("content", ['[{"id": 3, "x": 1}]', "{", "[1]", '[{"id": "a"}]'])
    def test_another_file_is_refused(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "truth.json"
        path.write_text(content)
        with pytest.raises(
            ValueError, match=r"truth\.json holds no truth: expected a JSON list of objects with id"
        ):
            tracking.people_of(path)


class TestMatching:
    def test_distance_within_reach_and_none_beyond(self) -> None:
        at = [seen(1, (128.0, 270.0)), seen(2, (128.0, 270.1)), seen(3, (158.0, 220.0))]
        found = tracking.distances([ALONE], at, REACH)
        assert found.shape == (1, 3)
        assert found[0, [0, 2]].tolist() == [90.0, 50.0]
        assert np.isnan(found[0, 1])

    def test_a_person_without_a_place_is_anywhere(self) -> None:
        assert tracking.distances(
            [Person(0)], [seen(1, (0, 0)), seen(2, (999, 999))], REACH
        ).tolist() == [[0.0, 0.0]]

    def test_neither_people_nor_sightings(self) -> None:
        assert tracking.distances([], [seen(1)], REACH).shape == (0, 1)
        assert tracking.distances(PAIR, [], REACH).shape == (2, 0)

    def test_without_grace_everybody_in_view_is_demanded_and_everything_counts(self) -> None:
        person = Person(0, 1.0, 2.0, LEFT)
        assert tracking.judged(Shot(0.9, (seen(1),)), [person], REACH) == ([], [seen(1)])
        assert tracking.judged(Shot(1.0, ()), [person], REACH) == ([person], [])

    @pytest.mark.parametrize("time_s", [0.9, 1.1, 1.9, 2.1])
    def test_within_the_grace_a_person_is_neither_demanded_nor_false(self, time_s: float) -> None:
        person = Person(0, 1.0, 2.0, LEFT)
        stray = seen(2, (1000.0, 700.0))
        assert tracking.judged(Shot(time_s, (seen(1), stray)), [person], REACH, 0.2) == (
            [],
            [stray],
        )

    @pytest.mark.parametrize(("time_s", "demanded"), [(0.7, 0), (1.5, 1), (2.3, 0)])
    def test_beyond_the_grace_it_counts(self, time_s: float, demanded: int) -> None:
        person = Person(0, 1.0, 2.0, LEFT)
        assert tracking.judged(Shot(time_s, (seen(1),)), [person], REACH, 0.2) == (
            [person][:demanded],
            [seen(1)],
        )

    def test_the_nearer_of_two_people_decides(self) -> None:
        going, staying = Person(0, 0.0, 1.0, (100.0, 100.0)), Person(1, 0.0, 9.0, (200.0, 100.0))
        near_staying, near_going = seen(1, (160.0, 100.0)), seen(2, (140.0, 100.0))
        shot = Shot(1.05, (near_staying, near_going))
        assert tracking.judged(shot, [going, staying], REACH, 0.1) == ([staying], [near_staying])


class TestMeasures:
    """The definitions of Bernardin and Stiefelhagen (MOTA, switches) and of Ristani et al. (IDF1),
    worked by hand.
    """

    @pytest.fixture(autouse=True)
    def library(self) -> None:
        pytest.importorskip("motmetrics")

    def measured(
        self, shots: list[Shot], people: Sequence[Person] = (ALONE,), grace_s: float = 0.0
    ) -> dict[str, Any]:
        return tracking.scores(shots, people, REACH, grace_s)

    def test_all_right(self) -> None:
        assert self.measured(film(*[[seen(1), seen(2, RIGHT)]] * 10), PAIR) == {
            "recall": 1.0,
            "precision": 1.0,
            "id_switches": 0,
            "idf1": 1.0,
            "mota": 1.0,
            "fragmentations": 0,
            "missed": 0,
            "false": 0,
            "faces_per_frame": 2.0,
            "true_faces_per_frame": 2.0,
        }

    def test_a_new_number_half_way(self) -> None:
        found = self.measured(film(*[[seen(1)]] * 4, *[[seen(2)]] * 6))
        assert (found["recall"], found["precision"]) == (1.0, 1.0)
        assert (found["id_switches"], found["fragmentations"]) == (1, 0)
        assert found["mota"] == pytest.approx(1 - 1 / 10)
        assert found["idf1"] == pytest.approx(2 * 6 / (10 + 10))

    def test_two_who_swap_their_numbers(self) -> None:
        found = self.measured(
            film(*[[seen(1), seen(2, RIGHT)]] * 5, *[[seen(2), seen(1, RIGHT)]] * 5), PAIR
        )
        assert found["id_switches"] == 2
        assert found["mota"] == pytest.approx(1 - 2 / 20)
        assert found["idf1"] == pytest.approx(0.5)

    def test_a_gap(self) -> None:
        found = self.measured(film(*[[seen(1)]] * 4, [], [], *[[seen(1)]] * 4))
        assert (found["recall"], found["precision"]) == (0.8, 1.0)
        assert (found["missed"], found["false"], found["fragmentations"], found["id_switches"]) == (
            2,
            0,
            1,
            0,
        )
        assert found["idf1"] == pytest.approx(2 * 8 / (10 + 8))

    def test_false_readings(self) -> None:
        found = self.measured(film(*[[seen(1), seen(7, (900.0, 600.0))]] * 5, *[[seen(1)]] * 5))
        assert (found["recall"], found["precision"]) == (1.0, pytest.approx(10 / 15))
        assert (found["false"], found["mota"]) == (5, 0.5)
        assert found["idf1"] == pytest.approx(2 * 10 / (10 + 15))

    def test_who_was_followed_stays_so_though_another_is_nearer(self) -> None:
        found = self.measured(film([seen(1)], [seen(1, (128.0, 240.0)), seen(2)]))
        assert (found["id_switches"], found["false"], found["missed"]) == (0, 1, 0)

    def test_a_reading_that_outlives_its_person_is_false(self) -> None:
        found = self.measured(film(*[[seen(1)]] * 10), [Person(0, 0.0, 0.75, LEFT)])
        assert (found["recall"], found["precision"], found["false"]) == (1.0, 0.8, 2)
        assert found["true_faces_per_frame"] == pytest.approx(0.8)

    def test_the_grace_forgives_it(self) -> None:
        found = self.measured(film(*[[seen(1)]] * 10), [Person(0, 0.0, 0.75, LEFT)], grace_s=0.3)
        assert (found["recall"], found["precision"], found["false"]) == (1.0, 1.0, 0)

    def test_an_empty_room(self) -> None:
        found = self.measured(film([], [], []), [])
        assert {found[name] for name in ("recall", "precision", "idf1", "mota")} == {None}
        assert (found["false"], found["missed"], found["faces_per_frame"]) == (0, 0, 0.0)

    def test_somebody_in_an_empty_room(self) -> None:
        found = self.measured(film([seen(1)], [seen(1)], [], []), [])
        assert (found["recall"], found["mota"]) == (None, None)
        assert (found["precision"], found["idf1"], found["false"]) == (0.0, 0.0, 2)
        assert found["faces_per_frame"] == 0.5

    def test_nobody_found(self) -> None:
        found = self.measured(film([], []))
        assert (found["recall"], found["precision"], found["mota"], found["idf1"]) == (
            0.0,
            None,
            0.0,
            0.0,
        )

    def test_a_report_is_json_and_a_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        run = Run(
            film(*[[seen(1)]] * 4, [seen(1, label="sad")], [seen(1)]),
            analysis_s=0.5,
            decoding_s=0.1,
            static=2,
        )
        document = tracking.report(
            run, None, [Person(0, 0.0, 9.0, LEFT), Person(1, 0.2, 9.0, RIGHT)], REACH, 0.0
        )
        assert json.loads(json.dumps(document)) == document
        assert (document["frames"], document["fps"], document["people"], document["viewers"]) == (
            6,
            12.0,
            2,
            1,
        )
        assert document["fps_with_decoding"] == pytest.approx(10.0)
        assert document["recall"] == pytest.approx(6 / 10)
        assert document["label_changes_per_minute"] == pytest.approx(2 / (0.5 / 60))
        assert document["raw_label_changes_per_minute"] is None
        assert document["static_readings"] == 2
        for table in tracking.tables(document):
            Console(width=120).print(table)
        shown = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert ["recall", "0.600"] in shown
        assert ["0", "1", "0.000", "0.000"] in shown
        assert ["1", "0", "-", "-"] in shown


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "motmetrics", None)
    with pytest.raises(SystemExit, match="install it with: pip install motmetrics"):
        tracking.motmetrics()


class TestPresence:
    def test_errors_are_against_the_frames_that_show_the_person(self) -> None:
        shots = film([], [], [], [seen(4)], [seen(4)], [seen(4)], [seen(4)], [])
        [found] = tracking.presences(shots, [Person(5, 0.05, 0.52, LEFT)], REACH)
        assert (found.name, found.viewers) == (5, 1)
        assert found.start_error_s == pytest.approx(0.3 - 0.1)
        assert found.end_error_s == pytest.approx(0.6 - 0.5)

    def test_the_viewer_who_was_there_longest_stands_for_the_person(self) -> None:
        shots = film([seen(1)], [seen(1)], [seen(2)], [seen(2)], [seen(2)])
        [found] = tracking.presences(shots, [ALONE], REACH)
        assert found == tracking.Presence(0, 2, 0.2, 0.0)

    def test_a_viewer_who_wanders_on_to_another_keeps_its_time(self) -> None:
        shots = film([seen(1)], [seen(1)], [seen(1, RIGHT)], [])
        people = [Person(0, 0.0, 0.15, LEFT), Person(1, 0.2, 9.0, RIGHT)]
        left, right = tracking.presences(shots, people, REACH)
        assert left.end_error_s == pytest.approx(0.1)
        assert right.start_error_s == pytest.approx(-0.2)

    def test_nobody_is_there_for_a_person_who_was_missed(self) -> None:
        assert tracking.presences(film([], []), [ALONE], REACH) == [
            tracking.Presence(0, 0, None, None)
        ]

    def test_who_comes_after_the_last_frame_is_left_out(self) -> None:
        assert tracking.presences(film([], []), [Person(0, 5.0, 9.0, LEFT)], REACH) == []

    def test_median_and_the_worst_of_both_signs(self) -> None:
        assert tracking.errors([0.1, None, -0.5, 0.2]) == {"median": 0.1, "worst": -0.5}
        assert tracking.errors([None]) == {"median": None, "worst": None}


class TestLabels:
    def test_changes_per_minute_and_viewer(self) -> None:
        labels = ["happy", "happy", "sad", None, "sad", "happy", "happy"]
        shots = film(*([seen(1, label=label), seen(2, RIGHT, "fear")] for label in labels))
        assert tracking.label_changes(shots) == pytest.approx(2 / (2 * 0.6 / 60))

    def test_a_withheld_label_between_two_is_passed_over(self) -> None:
        shots = film([seen(1, label="sad")], [seen(1, label=None)], [seen(1, label="happy")])
        assert tracking.label_changes(shots) == pytest.approx(1 / (0.2 / 60))

    def test_no_labels_no_figure(self) -> None:
        assert tracking.label_changes(film([seen(1, label=None)], [seen(1, label=None)])) is None
        assert tracking.label_changes([]) is None


class TestStage:
    picture = np.full((40, 80, 3), 200, dtype=np.uint8)

    def test_as_it_is(self) -> None:
        stage = Stage()
        assert stage.shown(self.picture) is self.picture
        assert stage.moved((10.0, 20.0), 80, 40) == (10.0, 20.0)

    def test_smaller_in_the_middle_of_a_canvas(self) -> None:
        stage = Stage(0.5, (100, 60))
        shown = stage.shown(self.picture)
        assert shown.shape == (60, 100, 3)
        bright = np.argwhere(shown[..., 0] == 200)
        assert bright.min(axis=0).tolist() == [20, 30]
        assert bright.max(axis=0).tolist() == [39, 69]
        assert set(np.unique(shown)) == {tracking.GREY, 200}
        assert stage.moved((0.0, 0.0), 80, 40) == (30.0, 20.0)
        assert stage.moved((80.0, 40.0), 80, 40) == (70.0, 40.0)

    def test_the_noise_is_the_same_every_time(self) -> None:
        stage = Stage(0.5, (100, 60), "noise")
        shown = stage.shown(self.picture)
        assert shown[:20].std() > 20
        np.testing.assert_array_equal(shown, stage.shown(self.picture))

    def test_smaller_without_a_canvas(self) -> None:
        assert Stage(0.25).shown(self.picture).shape == (10, 20, 3)
        assert Stage(0.25).moved((40.0, 20.0), 80, 40) == (10.0, 5.0)

    def test_a_canvas_that_is_too_small_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"expected at least 80x40, .* received 79x40"):
            Stage(1.0, (79, 40)).shown(self.picture)

    def test_people_move_with_the_picture_and_keep_their_times(self) -> None:
        moved = tracking.on_stage(
            [Person(0, 1.0, 2.0, (80.0, 40.0)), Person(1)], Stage(0.5, (100, 60)), 80, 40
        )
        assert moved == [Person(0, 1.0, 2.0, (70.0, 40.0)), Person(1)]


class TestCommandLine:
    def test_a_truth_file(self, tmp_path: Path) -> None:
        path = tmp_path / "truth.json"
        path.write_text("[]")
        options = tracking.options_of(
            ["v.mp4", str(path), "--scale", "0.25", "--canvas", "1280x720"]
        )
        assert (options.people, options.scale, options.canvas) == ([], 0.25, (1280, 720))

    def test_one_viewer(self) -> None:
        assert tracking.options_of(["v.mp4", "--enters", "3.9"]).people == [
            Person(0, 3.9, math.inf)
        ]
        assert tracking.options_of(["v.mp4", "--leaves", "2.4"]).people == [Person(0, 0.0, 2.4)]
        assert tracking.options_of(["v.mp4", "--enters", "0", "--leaves", "1"]).people == [
            Person(0, 0.0, 1.0)
        ]

    def test_nobody(self) -> None:
        assert tracking.options_of(["v.mp4", "--nobody"]).people == []

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "expected the truth in one way"),
            (["--nobody", "--enters", "0"], "expected the truth in one way"),
            (["truth.json", "--nobody"], "expected the truth in one way"),
            (["missing.json"], "holds no truth"),
            (["--nobody", "--scale", "0"], "expected a number above 0 to 1, received 0.0"),
            (
                ["--nobody", "--canvas", "1280"],
                "expected WIDTHxHEIGHT such as 1280x720, received '1280'",
            ),
        ],
    )
    def test_anything_else_is_refused(
        self, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            tracking.options_of(["v.mp4", *arguments])
        assert message in capsys.readouterr().err


class Scripted:
    """Sees a viewer without and one with an emotion, and a poster, in every frame."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def analyse(self, frame: Frame) -> AnalysedFrame:
        self.frames.append(frame)
        height, width = frame.image.shape[:2]
        return AnalysedFrame(
            frame.sequence,
            frame.captured_ns,
            width,
            height,
            (
                self.reading(1, frame, (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)),
                self.reading(2, frame, None, withheld="too small"),
                self.reading(3, frame, None, withheld="too dark", static=True),
            ),
        )

    def reading(
        self, viewer: int, frame: Frame, probabilities: tuple[float, ...] | None, **more: Any
    ) -> FaceReading:
        known = probabilities is not None
        return FaceReading(
            viewer=viewer,
            captured_ns=frame.captured_ns,
            box=Box(0.25, 0.5, 0.5, 0.25),
            probabilities=probabilities,
            valence=1.0 if known else None,
            expressiveness=1.0 if known else None,
            uncertain=not known,
            pose=HeadPose(0, 0, 0),
            attentive=True,
            quality=0.5,
            **more,
        )


def test_watching_leaves_posters_out_and_keeps_the_recordings_clock(demo_video: Path) -> None:
    analyser = Scripted()
    run = tracking.watch(str(demo_video), analyser, Stage(0.5, (1000, 800)), frames=3)  # type: ignore[arg-type]
    assert [frame.image.shape for frame in analyser.frames] == [(800, 1000, 3)] * 3
    assert [shot.time_s for shot in run.shots] == [0.0, 0.04, 0.08]
    assert {shot.sightings for shot in run.shots} == {
        (Sighting(1, 500.0, 500.0, "happy"), Sighting(2, 500.0, 500.0, None))
    }
    assert run.static == 3
    assert run.withheld == {"too small": 3}
    assert run.analysis_s > 0
    assert run.decoding_s > 0
