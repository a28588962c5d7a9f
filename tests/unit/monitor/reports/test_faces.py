"""Reports of models with other labels than the seven emotions say only what these know."""

from __future__ import annotations

import json
import math

import pytest

from db.engine import open_database
from db.write.records import ModelRecord
from detector.emotion.labels import EMOTIONS
from detector.emotion.labels import valence as valence_of
from monitor.analytics.comparison import compare_ads
from monitor.analytics.errors import ReportError
from monitor.analytics.measures import measures_of, require_measure
from monitor.analytics.report_data import Scope, load_report_data
from monitor.reports.document import make_report
from monitor.reports.export import report_bytes
from monitor.reports.faces import Faces, as_shown
from monitor.reports.html import render_html
from monitor.reports.summary import share_words
from monitor.reports.tables import table_of, to_csv
from tests.helpers.making import Make

HAPPY_SAD = ("happy", "sad")
MARKETING = ("happy", "surprise", "disgust", "neutral")
OWN = ("engaged", "bored", "smiling")
KNOWN = {"emotion_viewers", "dominant_emotion", "mean_probabilities", "uncertain_share"}
VALENCE = {"mean_valence", "mean_valence_corrected", "peak_valence"}


def model(labels):
    return ModelRecord("-".join(labels), f"{len(labels)}".zfill(64), {"labels": list(labels)})


def stream(make, labels):
    """The short session as a model of these labels reads it, which sees the first one most."""
    p = (0.6, *[0.4 / (len(labels) - 1)] * (len(labels) - 1))
    valence = float(valence_of(p, labels))
    changes = {
        "probabilities": p,
        "valence": None if math.isnan(valence) else valence,
        "expressiveness": 1 - p[labels.index("neutral")] if "neutral" in labels else None,
    }
    return [
        make.reading(
            (each.at - make.start).total_seconds(),
            each.face.viewer,
            each.play_number,
            position_ms=each.position_ms,
            **changes,
        )
        if hasattr(each, "face")
        else each
        for each in make.stream()
    ]


@pytest.fixture
def engine(tmp_path):
    engine = open_database(str(tmp_path / "kiosk.db"))
    yield engine
    engine.dispose()


@pytest.fixture
def written(engine):
    """Writes a session of each of some label sets, rolled up or not."""

    def write(*label_sets, rolled_up=True):
        make = Make()
        put = make.write_rolled if rolled_up else make.write
        for labels in label_sets:
            put(engine, stream(make, labels), model=model(labels))
        return make_report(engine, Scope())

    return write


@pytest.mark.parametrize("rolled_up", [True, False])
@pytest.mark.parametrize(
    ("labels", "figures", "sentence"),
    [
        (HAPPY_SAD, VALENCE, "tells happy from sad only"),
        (
            MARKETING,
            VALENCE | {"attraction", "expressiveness"},
            "tells happy, surprise, disgust and neutral apart",
        ),
        (OWN, set(), "tells engaged, bored and smiling apart"),
    ],
)
def test_a_report_says_only_what_the_labels_know(written, labels, figures, sentence, rolled_up):
    document, _ = written(labels, rolled_up=rolled_up)
    assert document["report"]["labels"] == list(labels)
    for ad in document["ads"]:
        given = {
            key
            for key in (*KNOWN, *VALENCE, "attraction", "expressiveness", "shares")
            if ad[key] is not None
        }
        assert given - {"mean_valence_corrected"} == KNOWN | figures - {"mean_valence_corrected"}
        means = ad["mean_probabilities"]
        assert {name for name, mean in means.items() if mean is not None} == set(labels)
        assert sum(means[name] for name in labels) == pytest.approx(1)
        assert ad["dominant_emotion"] == labels[0]
        assert (ad["valence_corrected_mean"], ad["score"]) == (None, None)
        curve = ad["timeline"][0]["probabilities"]
        assert curve[labels[0]] == pytest.approx(0.6)
        assert ad["timeline"][0]["share_over_half"][labels[0]] == 1
    assert any(sentence in str(entry["why"]) for entry in document["withheld"])
    # Neither NaN nor a 0 for something that is not known.
    assert "NaN" not in json.dumps(document, default=str)


@pytest.mark.parametrize("labels", [HAPPY_SAD, MARKETING, OWN])
def test_every_format_shows_the_labels(written, labels):
    document, data = written(labels)
    faces = Faces.of(document)
    assert faces.names == list(labels)
    assert len(set(faces.lines.values())) == len(labels)
    shown = as_shown(document)["ads"][0]
    assert shown["shares"] == {
        name: pytest.approx(share)
        for name, share in document["ads"][0]["mean_probabilities"].items()
        if name in labels
    }
    has_valence = "happy" in labels
    assert (shown["valence_corrected_mean"] is not None) == has_valence
    page = render_html(document)
    assert all(name in page for name in labels)
    assert ("valence, not corrected" in page) == has_valence
    assert "corrected for the mix of faces" not in page
    assert "and in no second did attention certainly fall." in page
    assert "disgust and fear" not in page
    assert "model card, the file beside the model" in page
    assert "probabilities are calibrated" not in page
    assert (">Valence</text>" in page) == has_valence
    assert ('>Valence</th><th scope="col" class="faces"' in page) == has_valence
    ads = to_csv(table_of("ads", document, data)).splitlines()
    row = dict(zip(ads[0].split(","), ads[1].split(","), strict=True))
    assert row["p_angry"] == ""
    assert float(row[f"p_{labels[0]}"]) == pytest.approx(0.6)
    seconds = to_csv(table_of("seconds", document, data)).splitlines()
    row = dict(zip(seconds[0].split(","), seconds[1].split(","), strict=True))
    assert float(row[f"p_{labels[0]}"]) == pytest.approx(0.6)


@pytest.mark.parametrize(
    "labels", [("positive", "negative", "neutral"), ("valence", "viewers", "happy", "Happy")]
)
@pytest.mark.parametrize("kind", ["xlsx", "pptx", "html"])
def test_labels_named_like_other_figures(written, labels, kind):
    document, data = written(labels)
    assert len(report_bytes(document, kind, data=data)) > 5000
    parts = as_shown(document)["ads"][0]["shares"]
    assert share_words(parts).count("%") == len(labels)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [HAPPY_SAD, OWN])
@pytest.mark.parametrize("kind", ["pdf", "xlsx", "pptx"])
def test_files_of_other_labels(written, labels, kind):
    document, data = written(labels)
    assert len(report_bytes(document, kind, data=data)) > 5000


def test_sessions_of_different_labels_are_not_averaged(written):
    document, data = written(HAPPY_SAD, EMOTIONS)
    assert document["report"]["labels"] is None
    for ad in document["ads"]:
        assert ad["emotion_viewers"] == 4
        assert ad["mean_probabilities"] is ad["mean_valence"] is ad["impact"] is None
        assert ad["attention_s"] > 0
    (why,) = [str(entry["why"]) for entry in document["withheld"] if "score" in entry["figures"]]
    assert why.startswith("the sessions had models with different labels (")
    assert "happy-sad: happy, sad" in why
    assert "all measures of emotion" in render_html(document)
    with pytest.raises(ReportError, match=r"different labels .*expected one of attention, dwell"):
        require_measure(data, "valence")


def test_models_of_the_same_labels_share_a_report(engine):
    make = Make()
    for name in ("first", "second"):
        record = ModelRecord(name, name[0].encode().hex() * 32, {"labels": list(HAPPY_SAD)})
        make.write_rolled(engine, stream(make, HAPPY_SAD), model=record)
    document, _ = make_report(engine, Scope())
    assert document["ads"][0]["mean_probabilities"]["happy"] == pytest.approx(0.6)
    (why,) = [str(entry["why"]) for entry in document["withheld"] if "score" in entry["figures"]]
    assert why == "the models first, second tell happy from sad only"


def test_sessions_of_the_same_labels_compare_on_these(written, engine):
    document, _ = written(OWN, OWN)
    assert document["ads"][0]["mean_probabilities"]["engaged"] == pytest.approx(0.6)
    data = load_report_data(engine, Scope(), seconds=False)
    require_measure(data, "engaged")
    (pair,) = compare_ads(data, measure="engaged", fixed=True)
    assert pair.document()["measure"] == "engaged"
    with pytest.raises(ReportError, match=r"engaged, bored and smiling apart: expected one of att"):
        require_measure(data, "valence")
    with pytest.raises(ReportError, match="no model of these sessions has such a label"):
        require_measure(data, "sleepy")


def test_a_label_with_the_name_of_a_measure_is_not_compared_by_mistake(written, engine):
    labels = ("valence", "attention", "bored")
    written(labels, labels)
    data = load_report_data(engine, Scope(), seconds=False)
    with pytest.raises(ReportError, match=r"valence names a measure, .*attention, dwell, bored"):
        require_measure(data, "valence")
    require_measure(data, "attention")
    assert measures_of(labels) == ["attention", "dwell", "bored"]


def test_which_measures_a_label_set_gives():
    assert measures_of(HAPPY_SAD) == ["attention", "happy", "dwell", "valence_raw", "sad"]
    assert "valence" in measures_of(EMOTIONS)
    assert measures_of(None) == ["attention", "dwell"]
    assert measures_of(OWN) == ["attention", "dwell", *sorted(OWN)]
