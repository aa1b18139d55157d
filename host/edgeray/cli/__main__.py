"""`python -m edgeray.cli`: the command where it is not on the path."""

import sys

from edgeray.cli import main

sys.exit(main())
