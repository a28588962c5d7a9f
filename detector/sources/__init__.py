"""Where frames come from: cameras, files, streams and the demo viewer."""
