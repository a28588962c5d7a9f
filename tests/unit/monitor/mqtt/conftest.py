"""A broker to publish to."""

from tests.helpers.mosquitto import mosquitto  # noqa: F401
