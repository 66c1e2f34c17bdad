"""`python -m pybus`: the command `pybus`, for where it is not on the path."""

import sys

from pybus.cli.main import main

sys.exit(main())
