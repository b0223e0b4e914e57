"""Refreshing: a job that brings a city's data set up to date, and a weekly schedule per city, off until turned on."""

import dagster as dg

from assets.partitions import CITIES
from pipeline.cities import KEY

REFRESHED = dg.AssetSelection.assets("places").downstream() & dg.AssetSelection.assets("dataset").upstream()

refresh = dg.define_asset_job(
    "refresh", REFRESHED, description="New posts of a city, and all that follows up to its data set; no training."
)


def _weekly(city: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        job=refresh,
        cron_schedule="0 3 * * 1",
        name=f"refresh_{city.replace('-', '_')}",
        description=f"Every Monday at 3:00 UTC: the posts of {city}.",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    def schedule() -> dg.RunRequest:
        return dg.RunRequest(partition_key=city)

    return schedule


schedules = [_weekly(city) for city in CITIES.get_partition_keys() if KEY.fullmatch(city)]
