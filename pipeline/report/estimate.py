"""A figure of a report with its interval."""

from dataclasses import dataclass

NO_WIDTH = 1e-12
"""what rounding alone puts between two equal figures"""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure and the 95 % interval around it."""

    value: float
    low: float
    high: float

    @property
    def has_interval(self) -> bool:
        """Whether it has a width; of one group, or where every resample gives the same, there is no interval."""
        return self.high - self.low > NO_WIDTH
