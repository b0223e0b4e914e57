"""The demo city: a seeded generator of an openly synthetic archive, so that every stage runs without any account.

Writes <folder>/archive (Instaloader's own file format), <folder>/pois.csv and <folder>/demo.json.
Nothing in it is real data, except NASA's portrait (ORIGIN.md).
"""

from pipeline.demo.city import DemoCity, write_demo_city
from pipeline.demo.settings import DemoSettings

__all__ = ["DemoCity", "DemoSettings", "write_demo_city"]
