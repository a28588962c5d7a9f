"""The kiosk window: small widgets fed by slots. The only room besides `monitor/app.py` that imports PyQt5."""
