"""What comes before all tests."""

import signal

import vcdvcd  # noqa: F401  for what importing it does to the process, undone below

# Importing vcdvcd, once a process, sets SIGPIPE to end it: a test that writes to a board that is gone would take its
# worker along in silence. Python, and whoever uses this library, gets an exception there instead.
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
