"""The commands of `mrlf` that collect, and that look after collecting: pois, collect, doctor, opt-out."""

import logging
import socket
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from pipeline.cities import City, load_cities, load_city
from pipeline.cli_errors import plain_errors
from pipeline.cli_words import check_lines, is_complete, plan_lines, pois_lines, run_lines
from pipeline.collect.doctor import examine, foursquare_check, pseudonym_check, wants_foursquare
from pipeline.collect.instagram.cookie_files import cookies_path
from pipeline.collect.instagram.dry_run import plan_run
from pipeline.collect.instagram.live import Tools, open_door, pace_limits
from pipeline.collect.instagram.readiness import live_checks
from pipeline.collect.instagram.roads import ROADS, try_roads
from pipeline.collect.instagram.settings import LiveSettings, live_settings
from pipeline.collect.instagram.status import pace_status
from pipeline.collect.instagram.walk import WalkLimits
from pipeline.collect.leaving import leave
from pipeline.collect.places import PlacesSettings
from pipeline.collect.pois import PoisSettings
from pipeline.collect.posts import PostsSettings
from pipeline.collect.web.errors import WaitError
from pipeline.collect.web.retries import Retries
from pipeline.stage import StageError, StageReport
from pipeline.stages import run_stage_of
from pipeline.store import Store
from pipeline.store.store import StageBusyError

EX_TEMPFAIL = 75
"""The exit status of a run that another one is to go on with (sysexits.h)."""

log = logging.getLogger("mrlf")
