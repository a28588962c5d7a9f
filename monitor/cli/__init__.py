"""The command line."""

import os
import sys

# The search for plugins takes a tenth of the time of `--help`.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# All matrices are small: more threads would wait for each other, spinning. `--policy learn` took 80
# times as long on a busy kiosk. NumPy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Babel reads the file that TZ names, such as a folder of that name beside us, and fails where the
# system's library takes UTC for what is no zone.
try:
    try:
        import babel.localtime  # noqa: F401
    except (OSError, ValueError):
        os.environ["TZ"] = "UTC"
    from monitor.cli.main import main
except KeyboardInterrupt:
    # The imports take seconds on a busy machine, and `main` is not there yet to say this.
    sys.stderr.write("Error: Stopped.\n")
    sys.exit(1)

__all__ = ["main"]
