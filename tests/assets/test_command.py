"""What Dagster's command line says of a mistake: a sentence where it is the user's, Dagster's own words elsewhere."""

import sys

import dagster as dg
import pytest
from dagster._core.definitions.asset_selection import DagsterInvalidAssetSelectionError
from dagster_shared.check import CheckError

from assets.command import sentence, speak_plainly
from pipeline.cities import CityError

pytestmark = pytest.mark.fault("D20")
COMMAND = ("/bin/dagster", "asset", "materialize", "--select", "dataset")
WRONG_CITY = "All selected assets must have a PartitionsDefinition containing the passed partition key `rom`"
WRONG_ASSET = "AssetKey(s) ['datasets'] were selected, but no AssetsDefinition objects supply these keys."


@pytest.mark.parametrize(
    ("error", "more", "said"),
    [
        (CheckError("Asset has partitions, but no '--partition' option was provided"), [], "--partition demo (the"),
        (CheckError("Failure condition: Invalid partition range format."), [], "--partition demo: Materialize"),
        (CheckError("Failure condition: Partition ranges with the CLI require"), [], "this command takes one city"),
        (dg.DagsterInvalidSubsetError(WRONG_CITY), ["--partition", "melburn"], "(did you mean melbourne?)"),
        (dg.DagsterInvalidSubsetError(WRONG_ASSET), [], "no asset datasets (did you mean dataset?)"),
        (DagsterInvalidAssetSelectionError("+("), [], "is no selection of assets"),
        (CheckError('Param "run_config" is not one of'), [], "must be a JSON object"),
        (CityError("line 3: a tab"), [], "line 3: a tab"),
    ],
)
def test_a_users_mistake_is_told_with_what_to_write(cities, error, more, said):
    assert said in sentence(error, [*COMMAND, *more])


@pytest.mark.fault("P30")
@pytest.mark.parametrize(
    "error",
    [CheckError("Asset has partitions, but no '--partition' option"), dg.DagsterInvalidSubsetError(WRONG_CITY)],
)
def test_where_the_file_of_cities_cannot_be_read_that_is_told_in_place_of_a_city(tmp_path, monkeypatch, error):
    (tmp_path / "cities.yaml").write_text("cities:\n\trome:\n")
    monkeypatch.setenv("MRLF_CITIES", str(tmp_path / "cities.yaml"))
    error = type(error)(f"{error} was provided")
    assert f"{tmp_path}/cities.yaml is not a file of cities" in sentence(error, [*COMMAND, "--partition", "rom"])
    assert "line 2, column 1: " in sentence(error, COMMAND)


@pytest.mark.parametrize("error", [CheckError("another"), KeyError("x"), dg.DagsterInvalidSubsetError("another")])
def test_what_is_no_mistake_of_the_user_keeps_its_own_words(error):
    assert sentence(error, COMMAND) is None


@pytest.mark.parametrize(
    ("words", "is_ours"),
    [
        (COMMAND, True),
        (("/lib/dagster/__main__.py", *COMMAND[1:]), True),
        (("/bin/dagster", "api", "grpc"), False),
        (("/bin/pytest", "asset", "materialize"), False),
        (("",), False),
    ],
)
def test_only_the_commands_of_a_user_speak_so(monkeypatch, capsys, words, is_ours):
    seen = []
    monkeypatch.setattr(sys, "excepthook", lambda *error: seen.append(error))
    speak_plainly(words)
    sys.excepthook(CityError, CityError("what to mend"), None)
    assert capsys.readouterr().err == ("dagster: what to mend\n" if is_ours else "")
    assert len(seen) == (not is_ours)
    sys.excepthook(KeyError, KeyError("x"), None)
    assert len(seen) == (not is_ours) + 1
