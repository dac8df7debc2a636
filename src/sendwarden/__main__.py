"""``python -m sendwarden`` is the command ``sendwarden``."""

import sys

from sendwarden.cli.main import main

sys.exit(main())
