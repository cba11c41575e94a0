"""`python -m bhc`."""

import sys

from bhc.cli import main

sys.exit(main())
