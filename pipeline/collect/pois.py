"""POIs: the places of a city that a post can be located at.

Reads  a CSV, Parquet or JSON file, Overture's places, an extract of OS Places, the places that an archive's posts
       name, or Foursquare's Places API (its kept answers first)
Writes pois; what Foursquare sent on POIs goes at the end of its time (pipeline.collect.poi_sources.keeping)
Law: every row of the source is a POI, or counted with the first reason against it, or beyond `max_pois`. Places of
sensitive categories are left out unless the city lets their area in and says why.
"""

import logging
from collections import Counter
from dataclasses import replace

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.collect.poi_sources.archive_places import FROM_ARCHIVE
from pipeline.collect.poi_sources.categories import Sensitivity, read_taxonomy, sensitivity
from pipeline.collect.poi_sources.choose import PoiSearch, PoisSettings
from pipeline.collect.poi_sources.files import PoiRow
from pipeline.collect.poi_sources.found import FoundPois
from pipeline.collect.poi_sources.keeping import expire_pois, forget_content, is_to_be_asked
from pipeline.collect.poi_sources.selection import select_pois, table_rows, top_level
from pipeline.collect.web.clock import Clock, SystemClock
from pipeline.collect.web.retries import Retries
from pipeline.errors import StageError
from pipeline.ledger import reason_counts
from pipeline.stage import Outcome, StageReport, run_stage
from pipeline.store import Store
from pipeline.store.digests import file_digest

STAGE = "pois"
NUM_NAMED_IDS = 5
FOR_EVER = (
    "what Foursquare sends is kept for ever (foursquare_keep_hours of pois is null): only a contract of yours with "
    "Foursquare can allow that, its usage guidelines do not (docs/PRIVACY.md)"
)

log = logging.getLogger("mrlf")

__all__ = ["STAGE", "PoisSettings", "build_pois", "renew_pois"]


def build_pois(
    store: Store, city: City, settings: PoisSettings, *, clock: Clock | None = None, retries: Retries | None = None
) -> StageReport:
    """Take a city's POIs from its source; Foursquare is asked only for what is not kept, or no longer.

    Raises:
        StageError: no source was named, it cannot be read, or no POI in it lies in the city. Of its kinds,
            IncompleteError: another run is to go on; HumanError: the key is not taken.
    """
    with store.lock(city.key, STAGE):
        rules = sensitivity(read_taxonomy(settings.taxonomy), settings.include_sensitive, settings.sensitive_reason)
        clock = clock or SystemClock()
        store.mend(city.key, STAGE)
        expire_pois(store, city.key, settings.foursquare_keep_hours, clock.now())
        found = PoiSearch(
            store=store, city=city, settings=settings, sensitivity=rules, clock=clock, retries=retries or Retries()
        ).find()
        inputs = {
            **found.inputs,
            "circle": f"{city.latitude} {city.longitude} {city.radius_km}",
            "source": found.source,
            "sensitive_list": rules.known.version,
            "taxonomy": file_digest(settings.taxonomy.expanduser()) if settings.taxonomy else "",
        }
        report = run_stage(
            store,
            city,
            STAGE,
            code_version=code_digest(build_pois),
            settings=settings,
            inputs=inputs,
            outputs=("pois",),
            work=lambda: _work(store, city, settings, found, rules, clock),
        )
    return _kept_for_ever(report) if found.asked and settings.foursquare_keep_hours is None else report


def renew_pois(
    store: Store, city: City, settings: PoisSettings, *, clock: Clock | None = None, retries: Retries | None = None
) -> None:
    """Build the POIs again where the time of what Foursquare sent is over; a stage that reads them begins with this.

    Raises:
        StageError: as `build_pois`; then nothing is built of what may no longer be used.
    """
    clock = clock or SystemClock()
    if is_to_be_asked(store, city.key, settings.foursquare_keep_hours, clock.now()):
        log.info("%s: the time of what Foursquare sent on the POIs is over: they are built again", city.key)
        build_pois(store, city, settings, clock=clock, retries=retries)


def _kept_for_ever(report: StageReport) -> StageReport:
    """The same with a remark, in every run."""
    return replace(report, record=replace(report.record, notes=[*report.record.notes, FOR_EVER]))


def _work(
    store: Store, city: City, settings: PoisSettings, found: FoundPois, rules: Sensitivity, clock: Clock
) -> Outcome:
    found = found.read()
    pois, drops = select_pois(found.rows, city, rules)
    if not pois:
        raise _no_pois(city, found, drops)
    taken = pois[: settings.max_pois]
    forget_content(store, city.key)  # older versions of a table are not swept by their age
    rows = table_rows(taken, found.source, rules.taxonomy, found.asked or clock.now())
    store.tables.replace(city.key, "pois", rows)
    counts = {
        "rows": len(found.rows),
        "pois": len(taken),
        "beyond_max_pois": len(pois) - len(taken),
        "dropped": len(drops),
        **reason_counts(drops),
        **found.counts,
    }
    unknown_counts, notes = ({}, []) if found.source in ("demo", FROM_ARCHIVE) else _unknown(taken, rules)
    notes += _without_coordinates(found, drops)
    return Outcome(
        counts={**counts, **unknown_counts},
        notes=[*found.notes, *notes],
        about={"source": found.source, **found.about, **_sensitive_facts(settings, rules)},
    )


def _no_pois(city: City, found: FoundPois, drops: dict[str, str]) -> StageError:
    reasons = ", ".join(f"{reason.split('/')[1]} {count}" for reason, count in reason_counts(drops).items())
    nothing = "the file is empty" if found.source in ("file", "demo") else "there is no place in it"
    if found.source == FROM_ARCHIVE:
        nothing = f"none of its {found.counts['posts']:,} posts names its place"
    is_elsewhere = not drops or "outside_city" in drops.values()
    circle = ", and at the city's latitude, longitude and radius_km in cities.yaml" if is_elsewhere else ""
    advice = "; ".join(found.advice[reason] for reason in Counter(drops.values()) if reason in found.advice)
    return StageError(
        f"city {city.key} is empty: none of the {len(found.rows)} rows of {found.origin} is a POI of it "
        f"({reasons or nothing}): {advice or f'look at the source{circle}'}"
    )


def _without_coordinates(found: FoundPois, drops: dict[str, str]) -> list[str]:
    """A note where posts name places of which the archive does not know where they are."""
    count = Counter(drops.values())["no_coordinates"]
    if not count or "no_coordinates" not in found.advice:
        return []
    return [
        f"of {count} of the {len(found.rows)} places that posts name no post says where they are, so these are no "
        f"POIs: {found.advice['no_coordinates']}"
    ]


def _unknown(pois: list[PoiRow], rules: Sensitivity) -> tuple[dict[str, int], list[str]]:
    """What neither the list of sensitive places nor the taxonomy knows: counts, and what to do about it."""
    counts, notes = {}, []
    advice = "name Foursquare's table of categories as `pois: {taxonomy: path/to/file}`"
    unknown = rules.unknown_categories(pois)
    if unknown:
        named = ", ".join(unknown[:NUM_NAMED_IDS]) + (", ..." if len(unknown) > NUM_NAMED_IDS else "")
        counts["unknown_categories"] = len(unknown)
        notes.append(
            "categories that are neither on the list of sensitive places nor in a taxonomy, so that only their names "
            f"could be compared with the list: {len(unknown)} ({named}); {advice}"
        )
    unlabelled = sum(not top_level(poi, rules.taxonomy) for poi in pois if poi.category_ids or poi.category_name)
    if unlabelled:
        counts["category_not_in_taxonomy"] = unlabelled
        notes.append(
            "POIs whose top-level category is not known, so that their own category stands for it: "
            f"{unlabelled}; {advice}"
        )
    return counts, notes


def _sensitive_facts(settings: PoisSettings, rules: Sensitivity) -> dict[str, str]:
    facts = {"sensitive_list_version": rules.known.version}
    if rules.included:
        facts["sensitive_included"] = ", ".join(sorted(rules.included))
        facts["sensitive_reason"] = settings.sensitive_reason
    return facts
