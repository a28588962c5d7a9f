"""The kiosk window: small widgets fed by slots. The only room besides `monitor/kiosk/app.py` that imports PyQt5."""
