"""When an alert is raised and ends, and how messages of it are sent to channels."""
