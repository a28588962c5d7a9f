"""Offline training and measuring of the emotion classifier; imports only `detector`."""
