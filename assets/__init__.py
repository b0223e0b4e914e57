"""What Dagster shows and runs: one asset per file, thin; the work and its rules are in `pipeline`."""

import sys

from assets.command import speak_plainly

speak_plainly(sys.argv)  # here, before anything is read that a user may have written wrongly
