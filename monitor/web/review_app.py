"""The pages of `ad-monitor review`: one face after the other, and a decision about its label.

Everything works without a script; with one, each button also has a key. Faces stay in memory.
"""

from __future__ import annotations

import string
import threading
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest, NotFound

from monitor.languages import lazy
from monitor.settings.models import WebSettings
from monitor.web.api.sent_pictures import png_address
from monitor.web.app import page_app
from monitor.web.request.gates import TokenGate
from monitor.web.request.problems import ProblemError
from monitor.web.services import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flask import Flask
    from numpy.typing import NDArray
    from werkzeug.wrappers import Response

    from training.evaluation.review import LabelReview

KEYS = {"keep": "k", "drop": "d", "undo": "u", "back": "ArrowLeft", "skip": "ArrowRight"}
"""The key of each button, as a browser names it."""

SIDE_PX = 384
"""Side of the picture that is sent: a face of 48 pixels is easier to judge when it is smooth."""


class ReviewServices:
    """What the server needs to know of the application."""

    threads = 4

    def __init__(self) -> None:
        self.stopping = threading.Event()


def create_review_app(review: LabelReview, token: str) -> Flask:
    """Build the application in which one person decides about faces; see `ReviewServices`."""
    # Someone quick at the keys decides about a hundred faces a minute.
    settings = WebSettings(token=token, rate_limit="1200 per minute", min_viewers=1)
    app = page_app(settings, TokenGate(token), ())
    app.register_blueprint(review_pages(review))
    app.extensions[EXTENSION] = ReviewServices()
    return app


def review_pages(review: LabelReview) -> Blueprint:
    """Return the pages for one review."""
    pages = _ReviewPages(review)
    blueprint = Blueprint("review", __name__)
    blueprint.add_url_rule("/", "start", pages.start)
    blueprint.add_url_rule("/faces/<int:number>", "face", pages.face)
    blueprint.add_url_rule("/faces/<int:number>", "decide", pages.decide, methods=["POST"])
    blueprint.add_url_rule("/done", "done", pages.done)
    return blueprint


class _ReviewPages:
    """The pages; faces are numbered from 1."""

    def __init__(self, review: LabelReview) -> None:
        self._review = review

    def start(self) -> Response:
        """Lead to the first face that is not decided yet."""
        return self._lead_to(self._review.next_open())

    def face(self, number: int) -> str:
        """Show a face, its label, and what votes and model say."""
        place = self._place(number)
        face = self._review.face(place)
        return render_template(
            "review.html",
            face=face,
            picture=picture_of(face.image),
            number=number,
            total=len(self._review),
            decided=sum(self._review.counts.values()),
            votes=_shares(face.votes),
            labels=list(zip_longest(self._review.labels, label_keys(len(self._review.labels)))),
            keys=KEYS,
        )

    def decide(self, number: int) -> Response:
        """Store a decision, and lead to the next face that has none."""
        place = self._place(number)
        face = self._review.face(place)
        choice = request.form.get("choice", "")
        if choice == "undo":
            undone = _saved(self._review.undo)
            return redirect(
                url_for("review.face", number=number if undone is None else undone + 1), 303
            )
        if request.form.get("face") != face.key:
            raise ProblemError(
                409,
                "in_use",
                lazy(
                    "The page is of an earlier review, in which this face had another number: "
                    "nothing was saved. Load the page again."
                ),
            )
        kind, _separator, label = choice.partition(":")
        if choice in {"keep", "drop"}:
            _saved(self._review.decide, place, choice)
        elif kind == "label" and label in self._review.labels:
            _saved(self._review.decide, place, "keep" if label == face.label else "change", label)
        else:
            raise BadRequest(lazy("There is no such choice: press one of the buttons of the page."))
        return self._lead_to(self._review.next_open(place))

    def done(self) -> str:
        """Say what was decided, and how to use it."""
        return render_template(
            "review_done.html",
            counts=self._review.counts,
            total=len(self._review),
            path=self._review.path,
        )

    def _place(self, number: int) -> int:
        if not 1 <= number <= len(self._review):
            raise NotFound
        return number - 1

    def _lead_to(self, place: int | None) -> Response:
        if place is None:
            return redirect(url_for("review.done"), 303)
        return redirect(url_for("review.face", number=place + 1), 303)


def picture_of(image: NDArray[np.uint8]) -> str:
    """Return `(h, h)` grey levels as an enlarged picture for the address of an `img`."""
    side = max(SIDE_PX, image.shape[0])
    large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
    return png_address(np.asarray(large, dtype=np.uint8))


def label_keys(labels: int) -> Sequence[str]:
    """Return a key for each label, as far as there are any: digits from 1, then free letters."""
    free = [letter for letter in string.ascii_lowercase if letter not in KEYS.values()]
    return [*"1234567890"[: min(labels, 10)], *free][:labels]


def _shares(votes: dict[str, float]) -> Iterable[tuple[str, int, float]]:
    total = sum(votes.values()) or 1.0
    return [(name, round(count), count / total) for name, count in votes.items()]


def _saved(change: Callable[..., Any], *arguments: Any) -> Any:
    """Do what writes the overlay; if that fails, nothing has changed, and the page says so."""
    try:
        return change(*arguments)
    except ValueError as error:
        raise ProblemError(503, "no_room", str(error)) from error
