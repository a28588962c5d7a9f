"""Starting with the machine: files that systemd and desktops read."""
