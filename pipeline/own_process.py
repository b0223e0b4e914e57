"""Starting a module of ours as a process of its own, with the packages that this one has.

Unlike `multiprocessing` it imports nothing of the program's main module, and unlike a fork no locks of its threads.
"""

import os
import sys
from pathlib import Path

import pipeline


def command(module: str, *words: str) -> list[str]:
    """What starts it; nothing is imported from the folder where one happens to be."""
    return [sys.executable, "-P", "-m", module, *words]


def environment(**changes: str) -> dict[str, str]:
    """This process's environment, in which our packages are found first and then those that this one finds."""
    root = str(Path(pipeline.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)]), **changes}
