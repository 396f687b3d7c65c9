"""benches/ is not installed; it is run from the checkout, and imported from there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
