"""What a report has to withhold of its parts; loading is tested with the documents."""

from __future__ import annotations

import pytest

from monitor.analytics.report_data import places_to_withhold


@pytest.mark.parametrize(
    ("viewers", "hidden"),
    [
        ([7, 6], set()),
        ([7, 2], {0, 1}),  # alone, the second would be what the first leaves of the ad
        ([7, 6, 2], {1, 2}),
        ([7, 3, 2], {1, 2}),  # five together
        ([7, 4, 3, 2], {1, 2, 3}),
        ([2, 0], {0}),
        ([0, 0], set()),
    ],
)
def test_places_that_others_would_give_away_are_withheld_too(viewers, hidden):
    assert places_to_withhold([1] * len(viewers), viewers, 5) == hidden
    # Another group's places neither help nor harm.
    assert places_to_withhold([1] * len(viewers) + [2], [*viewers, 9], 5) == hidden
