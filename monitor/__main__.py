"""`python -m monitor` is `ad-monitor`."""

from monitor.cli import main

main()
