"""Publishes the state of the kiosk to an MQTT broker, such as that of a building or a home."""
