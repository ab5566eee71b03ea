"""`python -m planted [--write]`, in tests/."""

import sys

from .corpus import main

sys.exit(main())
