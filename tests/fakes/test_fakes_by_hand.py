"""The fakes by hand: what they print leads a collector to them, and Ctrl-C ends them with what was asked."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from pipeline.geo import distance_km
from tests.fakes.fakeville import fakeville_pois, fakeville_world

ROOT = Path(__file__).parent.parent.parent


def test_what_is_printed_leads_to_the_fakes_and_ctrl_c_ends_them(tmp_path):
    command = [
        sys.executable,
        "-m",
        "tests.fakes",
        "--instagram-port",
        "0",
        "--foursquare-port",
        "0",
        "--places",
        "2",
        "--folder",
        str(tmp_path),
        "--slow",
        "--fail-percent",
        "5",
    ]
    fakes = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    lines = list(iter(fakes.stdout.readline, "# Ctrl-C here ends the servers\n"))
    exports = dict(found.groups() for line in lines if (found := re.fullmatch(r"export (\w+)=(.+)\n", line)))
    assert requests.get(f"{exports['MRLF_INSTAGRAM_URL']}/explore/locations/5000/", timeout=5).status_code == 200
    assert requests.get(f"{exports['MRLF_FOURSQUARE_URL']}/places/search", timeout=5).status_code == 401
    assert Path(exports["MRLF_INSTAGRAM_COOKIES"]).stat().st_mode & 0o777 == 0o600
    assert "reads_per_minute" not in Path(exports["MRLF_CITIES"]).read_text()
    assert {"FOURSQUARE_API_KEY", "MRLF_DATA", "I_HAVE_READ_PRIVACY_MD"} <= exports.keys()
    fakes.send_signal(signal.SIGINT)
    ended, _ = fakes.communicate(timeout=20)
    assert fakes.returncode == 0
    assert re.search(r"Instagram +GET /explore/locations/\.\.\./ +1\n", ended)


@pytest.mark.parametrize("num_places", [1, 6, 40])
def test_both_fakes_know_the_same_places_and_the_odd_ones_besides(num_places):
    pois = {poi["fsq_place_id"]: poi for poi in fakeville_pois(num_places)}
    locations = fakeville_world(num_places, 1).places.values()
    points = {(place.name, place.latitude, place.longitude) for place in locations}
    matching = [poi for poi in pois.values() if (poi["name"], poi["latitude"], poi["longitude"]) in points]
    assert len(pois) == num_places + 4
    assert len(locations) == num_places + 2
    assert len(matching) == num_places + 1  # and the chapel, which is sensitive
    twins = [poi for poi in pois.values() if poi["name"] == "Twin Fountain"]
    assert len(twins) == 2
    apart = [
        float(distance_km(a.latitude, a.longitude, b.latitude, b.longitude))
        for a in locations
        for b in locations
        if a is not b
    ]
    assert min(apart) > 0.6
