"""The web page: classify pictures, follow the running session, read and compare results."""
