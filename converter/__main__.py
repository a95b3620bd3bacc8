"""`python -m converter` is `compat-export`."""

import sys

from converter.cli import main

sys.exit(main())
