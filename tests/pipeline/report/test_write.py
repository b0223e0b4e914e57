"""Files of a report: the old one stands until the new one is complete, whatever kills the writer."""

import json
import os
import signal

import pytest

import pipeline.report.write as write
from pipeline.report.write import file_digests, is_untouched, write_report
from pipeline.store.digests import bytes_digest


def make_files(text: str) -> dict[str, bytes]:
    """Two pages, a picture and the JSON that names them."""
    files = {f"report.{end}": f"{end} {text}".encode() for end in ("png", "md", "html")}
    return files | {"report.json": json.dumps({"text": text, "files": file_digests(files)}).encode()}


OLD, NEW = make_files("old"), make_files("new")


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("report*")}


def killed_at(number: int, name: str, folder) -> bool:
    """Write NEW in a child that SIGKILLs itself at the `number`-th call of `name`; whether it was killed."""
    child = os.fork()
    if child == 0:
        calls = iter(range(1, 100))
        owner, attribute = (os, "fsync") if name == "fsync" else (write.Path, "replace")
        real = getattr(owner, attribute)

        def call(*arguments):
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments)

        setattr(owner, attribute, call)
        write_report(folder, NEW)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("number", range(1, len(NEW) + 1))
def test_killed_while_writing_leaves_the_old_report(tmp_path, number):
    write_report(tmp_path, OLD)
    assert killed_at(number, "fsync", tmp_path)
    assert contents(tmp_path) == OLD
    assert is_untouched(tmp_path, bytes_digest(OLD["report.json"]))


@pytest.mark.parametrize("number", range(2, len(NEW) + 1))
def test_killed_while_replacing_is_known_and_mended_by_the_next_writer(tmp_path, number):
    write_report(tmp_path, OLD)
    assert killed_at(len(NEW) + number, "replace", tmp_path), "each file takes its place beside first, then here"
    assert not is_untouched(tmp_path, bytes_digest(OLD["report.json"]))
    assert not is_untouched(tmp_path, bytes_digest(NEW["report.json"]))
    write_report(tmp_path, NEW)
    assert contents(tmp_path) == NEW
    assert is_untouched(tmp_path, bytes_digest(NEW["report.json"]))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NEW)


def test_pictures_of_an_earlier_report_go(tmp_path):
    write_report(tmp_path, {"report-example-09.jpg": b"old", **OLD})
    write_report(tmp_path, NEW)
    assert contents(tmp_path) == NEW


def test_full_disk_names_the_place_and_the_bytes_and_leaves_the_old_report(tmp_path, monkeypatch):
    write_report(tmp_path, OLD)

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=rf"cannot write {sum(map(len, NEW.values()))} bytes to .*: No space left"):
        write_report(tmp_path, NEW)
    assert contents(tmp_path) == OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(OLD)
