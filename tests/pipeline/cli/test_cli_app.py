"""The command line: what the user can mend is one line and status 1, never a traceback."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cities import load_city
from pipeline.cli.app import app
from pipeline.cli.errors import plain_errors
from pipeline.errors import StageError
from pipeline.stage import StageReport
from pipeline.stages import STAGES, checked_cities
from pipeline.store import Store
from pipeline.store.store import StageRecord


@pytest.fixture
def mrlf(tmp_path, monkeypatch):
    """Runs `mrlf` with a data folder of its own."""
    monkeypatch.setenv("MRLF_DATA", str(tmp_path / "data"))
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(("run", "rome"), "there is no city 'rome'", id="a city that is not in cities.yaml"),
        pytest.param(("run", "demo", "--to", "masks"), "there is no stage 'masks'", id="a stage that does not exist"),
        pytest.param(("run", "melbourne"), "cities.yaml", id="a city without a POI file"),
        pytest.param(("run", "demo", "--only", "train_mrlf"), "there is no data set of demo", id="no data set"),
        pytest.param(("verify", "demo"), "there is no data set of demo", id="nothing to verify"),
        pytest.param(("run", "demo", "--to", "data_set"), "(did you mean dataset?)", id="a stage with a slip"),
        pytest.param(("run", "demo", "--only", ""), "there is no stage ''", id="an empty variable of a script"),
        pytest.param(("run", "demo", "--to", ""), "there is no stage ''", id="another empty variable"),
        pytest.param(("predict", "demo", "--image", "no.jpg"), "there is no picture no.jpg", id="no picture"),
        pytest.param(("predict", "demo", "--image", "."), ". is a folder: name one picture", id="a folder"),
        pytest.param(("images", "review", "demo", "--output", "/dev/null/x"), "mrlf: ", id="no folder"),
    ],
)
def test_a_users_mistake_is_one_line(mrlf, words, message):
    result = mrlf(*words)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output and "[Errno" not in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.fault("D20")
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.csv"), "mrlf: a.csv: No such file or directory"),
        (OSError(18, "Invalid cross-device link", "a", None, "b"), "mrlf: a -> b: Invalid cross-device link"),
        (OSError(28, "cannot write 7 bytes to b: No space left"), "mrlf: cannot write 7 bytes to b: No space left"),
        (
            OSError(28, "cannot write to /a: No space left"),
            "mrlf: cannot write to /a: No space left; what is there is kept: make room on that disk and run it again",
        ),
        (
            IsADirectoryError(21, "Is a directory", "/a"),
            "mrlf: /a: Is a directory; something else belongs there: move it away, as `mrlf run` of its city does in "
            "the data folder",
        ),
        (OSError("the picture is cut"), "mrlf: the picture is cut"),
        (
            FileNotFoundError(2, "No such file or directory"),
            "mrlf: the folder you are in is no longer there: go to another one",
        ),
        (BrokenPipeError(32, "Broken pipe"), "mrlf: Broken pipe"),
    ],
)
def test_an_error_of_the_system_is_told_by_its_words_and_file(capsys, error, said):
    with pytest.raises(typer.Exit) as end, plain_errors():
        raise error
    assert (capsys.readouterr().err, end.value.exit_code) == (f"{said}\n", 1)


@pytest.mark.fault("D20")
def test_the_version_and_the_short_help_are_there_for_every_command(mrlf):
    assert mrlf("--version").stdout == f"mrlf {version('mrlf-pipeline')}\n"
    for words in ((), ("run",), ("weights",), ("weights", "fetch"), ("images", "review")):
        assert mrlf(*words, "-h").stdout == mrlf(*words, "--help").stdout


@pytest.mark.fault("D20")
@pytest.mark.parametrize(
    "words",
    [("status", "demo"), ("run", "demo"), ("opt-out", "@x"), ("weights", "list"), ("doctor",), ("verify", "demo")],
    ids=" ".join,
)
def test_outside_a_project_nothing_is_made_and_the_folder_is_named(mrlf, tmp_path, monkeypatch, words):
    monkeypatch.delenv("MRLF_DATA")
    monkeypatch.chdir(tmp_path)
    result = mrlf(*words)
    assert result.exit_code == 1
    assert f"there is no {tmp_path}/data" in result.output and "`mrlf init`" in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.fault("D20")
def test_a_project_begins_with_a_file_of_cities_that_works_and_is_never_overwritten(mrlf, tmp_path, monkeypatch):
    ours = load_city("demo")
    monkeypatch.delenv("MRLF_DATA")
    monkeypatch.chdir(tmp_path)
    assert mrlf("init").stdout.startswith(f"{tmp_path}/cities.yaml: ")
    assert list(checked_cities().usable.values()) == [ours]
    assert f"nothing of demo is in {tmp_path}/data yet" in mrlf("status", "demo").stdout
    (tmp_path / "cities.yaml").write_text("mine")
    result = mrlf("init")
    assert (result.exit_code, (tmp_path / "cities.yaml").read_text()) == (1, "mine")
    assert "was left alone" in result.output
    assert mrlf("init", "new/folder").exit_code == 0
    text = (tmp_path / "new/folder/cities.yaml").read_text().replace("\n#  ", "\n  ")
    (tmp_path / "cities.yaml").write_text(text)
    assert list(checked_cities().usable) == ["demo", "melbourne"], "the example is right where the signs are gone"


def test_the_settings_of_a_city_are_printed_whole(mrlf):
    printed = json.loads(mrlf("settings", "demo").stdout)
    assert list(printed)[: len(STAGES)] == list(STAGES)
    assert (
        printed["curated_posts"]["min_hashtag_count"] == load_city("demo").stages["curated_posts"]["min_hashtag_count"]
    )
    assert json.loads(mrlf("settings", "melbourne").stdout)["curated_posts"]["min_hashtag_count"] == 50


@pytest.mark.fault("D18")
@pytest.mark.parametrize(
    ("given", "num_train_posts", "batch_size"),
    [
        pytest.param("{}", None, {"small": 32, "paper": 128}, id="no data set yet"),
        pytest.param("{}", 4999, 32, id="a small data set"),
        pytest.param("{}", 5000, 128, id="a large data set"),
        pytest.param("{preset: paper}", None, 128, id="a preset that is named"),
        pytest.param("{batch_size: 7}", None, 7, id="a number that is given"),
    ],
)
def test_settings_tell_the_numbers_that_will_be_used(mrlf, tmp_path, monkeypatch, given, num_train_posts, batch_size):
    place = "name: A, latitude: 0, longitude: 0, radius_km: 1, curated_posts: {min_posts_per_poi: 9}"
    (tmp_path / "cities.yaml").write_text(f"cities: {{a: {{{place}, train_mrlf: {given}}}}}")
    monkeypatch.setenv("MRLF_CITIES", str(tmp_path / "cities.yaml"))
    if num_train_posts is not None:
        counts = {"train": num_train_posts}
        record = StageRecord(stage="dataset", digest="d", outputs={}, versions={}, counts=counts)
        Store(tmp_path / "data").write_stage_record("a", record)
    printed = json.loads(mrlf("settings", "a").stdout)
    assert printed["train_mrlf"]["batch_size"] == batch_size
    assert printed["dataset"]["min_posts_per_poi"] == 9
    nulls = {
        name: {key for key, value in stage.items() if value is None} for name, stage in list(printed.items())[:12]
    }
    assert (nulls["train_mrlf"], nulls["study"]) == ({"clip"}, set()), "no clipping is a number of the preset"
    assert (nulls["portrait_masks"], nulls["clean_images"]) == ({"weights_file"}, {"weights_file"})


@pytest.mark.fault("D18")
def test_settings_tell_what_the_city_and_this_machine_decide(mrlf, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    stages = "posts: {archive: mine}, curated_posts: {min_hashtag_count: 8}, portrait_masks: {batch_size: 5}"
    place = f"name: A, latitude: 0, longitude: 0, radius_km: 1, {stages}, train_mrlf: {{preset: paper}}"
    (tmp_path / "cities.yaml").write_text(f"cities: {{a: {{{place}}}}}")
    monkeypatch.setenv("MRLF_CITIES", str(tmp_path / "cities.yaml"))
    monkeypatch.setattr("models.settings.machine.gpu_problem", lambda: "there is none")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(3)))
    printed = json.loads(mrlf("settings", "a").stdout)
    assert (printed["portrait_masks"]["batch_size"], printed["clean_images"]["batch_size"]) == (5, 4)
    assert (printed["train_mrlf"]["num_threads"], printed["train_mrlf"]["compile"]) == (torch.get_num_threads(), False)
    study = printed["study"]
    assert (study["max_epochs"], study["hashtag_thresholds"], study["num_processes"]) == (30, [1, 4, 8, 16], 3)
    assert (printed["posts"]["archive"], printed["places"]["archive"]) == ("mine", "mine")
    monkeypatch.setattr("models.settings.machine.gpu_problem", lambda: None)
    printed = json.loads(mrlf("settings", "a").stdout)
    assert (printed["clean_images"]["batch_size"], printed["study"]["num_processes"]) == (16, 1)
    assert printed["train_mrlf"]["compile"] == "CUDA graphs"


@pytest.mark.fault("I34")
def test_settings_tell_the_paces_of_live_collection_and_where_the_files_lie(mrlf, tmp_path, monkeypatch):
    cities, cookies = tmp_path / "my cities.yaml", tmp_path / "cookies.json"
    cities.write_text("cities: {a: {name: A, latitude: 0, longitude: 0, radius_km: 1, live: {reads_per_minute: 3}}}")
    monkeypatch.setenv("MRLF_CITIES", str(cities))
    monkeypatch.setenv("MRLF_INSTAGRAM_COOKIES", str(cookies))
    result = json.loads(mrlf("settings", "a").stdout)
    paces = {name: result["live"][name] for name in ("reads_per_minute", "reads_per_hour", "cool_downs_s")}
    assert paces == {"reads_per_minute": 3, "reads_per_hour": 200, "cool_downs_s": [300, 900]}
    files = (result["cities_file"], result["data_folder"], result["cookie_file"])
    assert files == (str(cities), str(tmp_path / "data"), str(cookies))
    assert not (tmp_path / "data").exists(), "to ask makes nothing"
    monkeypatch.delenv("MRLF_CITIES")
    monkeypatch.delenv("MRLF_INSTAGRAM_COOKIES")
    result = json.loads(mrlf("settings", "demo").stdout)
    assert (result["live"], result["cookie_file"]) == (None, None)
    assert result["cities_file"].endswith("/cities.yaml")


@pytest.mark.fault("I36")
def test_a_stage_that_another_process_builds_ends_with_status_75(mrlf, tmp_path):
    with Store(tmp_path / "data").lock("demo", "pois"):
        for command in (("pois", "demo"), ("run", "demo", "--to", "dataset"), ("collect", "demo")):
            result = mrlf(*command)
            assert result.exit_code == 75
            assert "stage pois of demo is being built by another process (number " in result.output
            assert "let it finish, or stop it, and run this again" in result.output


@pytest.mark.fault("T18")
def test_what_stands_in_the_way_is_printed_once(mrlf, monkeypatch):
    """The stage before the pictures notes it and the first of them is refused for it: the same long sentence."""

    def told(_store, _city, name):
        if name == "portrait_masks":
            raise StageError("the posts are of one user")
        record = StageRecord(stage=name, digest="d", outputs={}, versions={}, notes=["the posts are of one user"])
        return StageReport(stage=name, city="demo", digest="d", is_reused=False, record=record)

    monkeypatch.setattr("pipeline.stages.run_stage_of", told)
    result = mrlf("run", "demo")
    last = result.output.splitlines()[-1]
    assert (result.exit_code, last) == (1, "mrlf: demo: portrait_masks is refused for what the last note says")


def test_an_unknown_stage_in_cities_yaml_is_told(mrlf, tmp_path, monkeypatch):
    path = tmp_path / "cities.yaml"
    path.write_text("cities: {demo: {name: D, latitude: 0, longitude: 0, radius_km: 1, curated_post: {}}}")
    monkeypatch.setenv("MRLF_CITIES", str(path))
    assert "curated_post" in mrlf("run", "demo").output


def test_a_wrong_setting_of_a_late_stage_is_told_before_any_work(mrlf, tmp_path, monkeypatch):
    path = tmp_path / "cities.yaml"
    path.write_text(
        "cities: {demo: {name: D, latitude: 0, longitude: 0, radius_km: 1, train_mrlf: {learning_rate: fast}}}"
    )
    monkeypatch.setenv("MRLF_CITIES", str(path))
    result = mrlf("run", "demo")
    assert result.exit_code == 1
    assert "train_mrlf" in result.output and "learning_rate" in result.output
    assert "pois" not in result.output


@pytest.mark.fault("P26")
@pytest.mark.fault("P30")
def test_the_list_of_cities_tells_those_that_cannot_be_used_and_what_stands_beside_them(mrlf, tmp_path, monkeypatch):
    path, place = tmp_path / "cities.yaml", "latitude: 0, longitude: 0, radius_km: 1"
    path.write_text(f"cities: {{a: {{name: A, {place}}}, b: {{nome: B, {place}}}}}\nversion: 2\n")
    monkeypatch.setenv("MRLF_CITIES", str(path))
    result = mrlf("cities")
    good, bad = result.stdout.splitlines()
    assert good.split() == ["a", "A"]
    assert bad.startswith("b ") and bad.endswith("(did you mean name?)")
    assert result.stderr.startswith(f"mrlf: {path}, line 2: `version:` stands beside `cities:`")


@pytest.mark.fault("P30")
@pytest.mark.parametrize("words", [("cities",), ("status", "a"), ("settings", "a"), ("run", "a")], ids=" ".join)
def test_a_file_of_cities_that_is_no_yaml_is_told_with_its_line(mrlf, tmp_path, monkeypatch, words):
    (tmp_path / "cities.yaml").write_text("cities:\n\ta:\n")
    monkeypatch.setenv("MRLF_CITIES", str(tmp_path / "cities.yaml"))
    result = mrlf(*words)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (1, "", 1)
    assert f"{tmp_path}/cities.yaml is not a file of cities" in result.stderr
    assert "line 2, column 1: " in result.stderr and "indent with spaces" in result.stderr


@pytest.mark.parametrize(
    ("words", "near"),
    [
        ("stauts demo", "Did you mean 'status'?"),
        ("weights fetsh", "Did you mean 'fetch'?"),
        ("run demo --onyl pois", "--only"),
        ("run demo --only poi", "(did you mean pois?)"),
        ("run dmeo", "(did you mean demo?)"),
        ("weights fetch big_lamma", "(did you mean big_lama?)"),
        ("export demo --format onxx", "'onnx'"),
    ],
)
def test_for_a_word_with_a_slip_the_nearest_is_offered(mrlf, words, near):
    result = mrlf(*words.split())
    assert result.exit_code in (1, 2) and near in result.stderr


def test_status_tells_what_is_not_built(mrlf):
    result = mrlf("status", "demo")
    assert result.exit_code == 0
    assert result.stdout.count("not built yet") == len(STAGES)


@pytest.mark.fault("N11")
def test_status_names_the_model_that_answers_with_its_accuracy(mrlf, tmp_path):
    about = {"answers": "linear", "accuracy": "0.912", "accuracy/mrlf": "0.845", "run": "x"}
    record = StageRecord(stage="evaluate_mrlf", digest="d", outputs={}, versions={}, about=about, counts={"right": 9})
    Store(tmp_path / "data").write_stage_record("demo", record)
    assert "  right 9, answers linear, accuracy 0.912, accuracy/mrlf 0.845\n" in mrlf("status", "demo").stdout


def test_help_has_examples(mrlf):
    assert "mrlf run demo" in mrlf("run", "--help").stdout


@pytest.mark.parametrize("words", [(), ("weights",), ("images",)], ids=["all", "weights", "images"])
def test_no_summary_of_a_command_is_cut_at_80_columns(mrlf, words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    summaries = mrlf(*words, "--help").stdout.partition("Commands:\n")[2].splitlines()
    assert summaries and all(line.endswith(".") and not line.endswith("...") for line in summaries)


def test_help_of_every_command_loads_nothing_of_ours_but_the_commands():
    code = """
import sys
import typer
from typer.testing import CliRunner
known = set(sys.modules)
from pipeline.cli.app import app
packages = {name.split(".")[0] for name in set(sys.modules) - known} - set(sys.stdlib_module_names)
for words in ("", "run", "collect", "doctor", "predict", "serve", "study", "weights fetch", "images review"):
    assert CliRunner().invoke(app, [*words.split(), "--help"]).exit_code == 0
print(*(packages - {"typer"}))
print(*(name for name in sys.modules if name.startswith("pipeline.") and not name.startswith("pipeline.cli")))
print(*({"numpy", "pandas", "pyarrow", "deltalake", "torch", "fastapi", "jinja2", "requests"} & set(sys.modules)))
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split("\n") == ["pipeline", "pipeline.errors", "", ""]
