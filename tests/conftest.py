"""Let tests import the helpers that lie beside them; no property test fails because the machine is busy."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("gdp", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gdp")
