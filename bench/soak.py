"""Two soaks of the live crawl: one under failures, one under kills. Exits with 1 when a law is broken."""

import argparse
import sys

from bench.soak_failures import soak_in_failures
from bench.soak_kills import soak_in_kills


def main() -> None:
    """Both soaks, or one."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", choices=("failures", "kills"))
    options.add_argument("--places", type=int, help="50 for failures, 10 for kills")
    options.add_argument("--posts", type=int, help="of a place: 400 for failures, 150 for kills")
    options.add_argument("--kills", type=int, default=30)
    sizes = options.parse_args()
    laws: dict[str, bool] = {}
    if sizes.only != "kills":
        laws |= soak_in_failures(sizes.places or 50, sizes.posts or 400)
    if sizes.only != "failures":
        laws |= soak_in_kills(sizes.places or 10, sizes.posts or 150, sizes.kills)
    print("\nlaws")
    for law, is_kept in laws.items():
        print(f"  {'kept  ' if is_kept else 'BROKEN'} {law}")
    sys.exit(0 if all(laws.values()) else 1)


if __name__ == "__main__":
    main()
