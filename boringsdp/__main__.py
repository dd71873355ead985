"""`python -m boringsdp`."""

import sys

from boringsdp.cli import main

sys.exit(main())
