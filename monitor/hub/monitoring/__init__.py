"""What other programs are told about the hub and its screens: Prometheus and MQTT."""
