"""A kiosk whose sensor a test drives."""

from tests.helpers.scripted_kiosk import kiosk, make_settings  # noqa: F401
