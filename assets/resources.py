"""Resources: the store. Setting it up also says that this run is alive, and sweeps away those that are not, and what
may be kept no longer.
"""

from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from assets.failures import user_errors
from assets.sweep import say_alive, sweep
from pipeline.collect.poi_sources.keeping import expire_answers
from pipeline.store import Store


class StoreResource(dg.ConfigurableResource):
    """The one way to all data. It holds no secret: keys are read from the environment where they are used."""

    root: str | None = Field(None, description="The folder of all data; by default MRLF_DATA, else ./data.")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Before the first step of a run asks for its place in a pool, dead runs give theirs back."""
        if context.instance is not None and context.run is not None:
            say_alive(context.instance, context.run.run_id)
            sweep(context.instance)
            with user_errors():
                expire_answers(self.open(), datetime.now(UTC))

    def open(self) -> Store:
        """The store, looked up when it is used and not when the definitions are loaded."""
        with user_errors():
            return Store.open(self.root)
