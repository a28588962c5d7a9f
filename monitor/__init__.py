"""The application: the pipeline, the kiosk window, the reports and the command line."""
