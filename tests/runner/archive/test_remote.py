"""Archives to a real S3 server and to folders, and back: whole and compared, or not at all."""

import os
import signal
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from runner.archive.store_errors import redacted
from runner.core.digest import entries, sha256_bytes
from runner.hub.layout import verify

ROOT = Path(__file__).parents[3]
ENVIRONMENT = ROOT / ".venv-s3" / "bin"
SECRET = "wJalrXUtnFEMI-only-for-tests"
NAME = "phase8-2026-01-30T050000Z.phasehub.tar.zst"
HUB = "phase8/2026-01-30T050000Z"


def second_part(bucket):
    return rf"PUT /{bucket}/.*partNumber=2"


def is_empty(folder):
    """Whether a folder has no file but locks."""
    return all(path.name.endswith(".lock") for path in entries(folder))


class TestToS3:
    def test_an_archive_lies_there_with_its_checksum_and_comes_back(
        self, sealed, run, server, bucket, tmp_path
    ):
        code, out, err = run("archive", sealed, "--to", f"s3://{bucket}/hubs/")
        assert code == 0, err
        assert out == f"s3://{bucket}/hubs/{NAME}\n"
        digest = sha256_bytes(server.get(f"/{bucket}/hubs/{NAME}"))
        assert "uploaded and read back\n" in err
        assert f"sha256 {digest}" in err
        assert server.get(f"/{bucket}/hubs/{NAME}.sha256") == f"{digest}  {NAME}\n".encode()
        assert server.uploads(bucket) == []
        code, out, err = run("restore", out.strip(), "--out", tmp_path / "there")
        assert code == 0, err
        assert verify(tmp_path / "there" / HUB).intact

    def test_no_copy_stays_here_unless_it_is_asked_for(self, small, run, bucket, tmp_path):
        assert run("archive", small, "--to", f"s3://{bucket}/")[0] == 0
        assert entries(tmp_path / "here") == []
        assert is_empty(tmp_path / "state")
        assert run("archive", small, "-o", "kept.zst", "--to", f"s3://{bucket}/")[0] == 0
        assert [path.as_posix() for path in entries(tmp_path / "here")] == ["kept.zst"]

    def test_the_same_archive_is_not_sent_again(self, small, run, bucket, server):
        assert run("archive", small, "--to", f"s3://{bucket}/a.zst")[0] == 0
        server.delete(f"/{bucket}/a.zst.sha256")
        code, out, err = run("archive", small, "--to", f"s3://{bucket}/a.zst")
        assert (code, out) == (0, f"s3://{bucket}/a.zst\n")
        assert "it is there already; read back" in err
        assert server.keys(bucket) == ["a.zst", "a.zst.sha256"]

    @pytest.mark.parametrize("name", ["a.zst", "a.zst.sha256"])
    def test_another_file_of_that_name_is_not_overwritten(self, small, run, bucket, server, name):
        server.put(f"/{bucket}/{name}", b"mine")
        code, _, err = run("archive", small, "--to", f"s3://{bucket}/a.zst")
        assert code == 7
        assert f"s3://{bucket}/{name} is there already and is another file than the one of" in err
        assert "remove it yourself, or give another name with --to" in err
        assert server.keys(bucket) == [name]
        assert server.get(f"/{bucket}/{name}") == b"mine"

    def test_a_file_that_comes_there_during_the_upload_is_not_overwritten(
        self, sealed, phasehub, bucket, server, proxy
    ):
        proxy.pause = second_part(bucket)
        process = phasehub(
            "archive", sealed, "--to", f"s3://{bucket}/a.zst", AWS_ENDPOINT_URL_S3=proxy.url
        )
        assert proxy.held.wait(120)
        server.put(f"/{bucket}/a.zst", b"mine")
        proxy.go_on.set()
        _, err = process.communicate()
        assert process.returncode == 7
        assert "a file of that name came there meanwhile; give another name" in err
        assert server.get(f"/{bucket}/a.zst") == b"mine"
        assert server.uploads(bucket) == []

    def test_after_a_kill_in_the_middle_another_try_starts_cleanly(
        self, sealed, phasehub, run, bucket, server, proxy, tmp_path
    ):
        proxy.pause = second_part(bucket)
        there = f"s3://{bucket}/a.zst"
        process = phasehub("archive", sealed, "--to", there, AWS_ENDPOINT_URL_S3=proxy.url)
        assert proxy.held.wait(120)
        process.kill()
        process.communicate()
        assert server.keys(bucket) == []
        assert server.uploads(bucket) == ["a.zst"]
        code, _, err = run("archive", sealed, "--to", there)
        assert code == 0, err
        assert "uploaded and read back" in err
        assert server.keys(bucket) == ["a.zst", "a.zst.sha256"]
        assert server.uploads(bucket) == []
        assert is_empty(tmp_path / "state")

    def test_an_interrupt_leaves_neither_an_object_nor_parts(
        self, sealed, phasehub, bucket, server, proxy, tmp_path
    ):
        proxy.pause = second_part(bucket)
        process = phasehub(
            "archive", sealed, "--to", f"s3://{bucket}/a.zst", AWS_ENDPOINT_URL_S3=proxy.url
        )
        assert proxy.held.wait(120)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        assert process.returncode == 130, err
        assert server.keys(bucket) == []
        assert server.uploads(bucket) == []
        assert is_empty(tmp_path / "state")

    def test_uploads_of_other_names_are_left_alone(self, small, run, bucket, server):
        server.ask("POST", f"/{bucket}/a.zst.other?uploads")
        assert run("archive", small, "--to", f"s3://{bucket}/a.zst")[0] == 0
        assert server.uploads(bucket) == ["a.zst.other"]

    @pytest.mark.parametrize("hub", ["small", "sealed"])
    def test_a_store_that_keeps_other_bytes_is_found_out(
        self, hub, run, bucket, server, proxy, request
    ):
        proxy.spoil = rf"/{bucket}/a\.zst"
        folder = request.getfixturevalue(hub)
        code, _, err = run(
            "archive", folder, "--to", f"s3://{bucket}/a.zst", AWS_ENDPOINT_URL_S3=proxy.url
        )
        assert code == 7
        assert f"s3://{bucket}/a.zst did not keep what was sent" in err
        assert "it was removed again; try again, and mistrust the store if it stays so" in err
        assert server.keys(bucket) == []

    def test_a_store_that_does_not_know_conditions_can_be_used(
        self, small, run, bucket, server, proxy
    ):
        proxy.knows_conditions = False
        code, _, err = run(
            "archive", small, "--to", f"s3://{bucket}/a.zst", AWS_ENDPOINT_URL_S3=proxy.url
        )
        assert code == 0, err
        assert server.keys(bucket) == ["a.zst", "a.zst.sha256"]


class TestToAFolder:
    def test_an_archive_lies_there_with_its_checksum_and_comes_back(self, small, run, tmp_path):
        (tmp_path / "backup").mkdir()
        code, out, err = run("archive", small, "--to", f"file://{tmp_path}/backup/")
        assert code == 0, err
        assert [p.as_posix() for p in entries(tmp_path / "backup")] == [NAME, f"{NAME}.sha256"]
        subprocess.run(
            ["sha256sum", "--check", "--strict", f"{NAME}.sha256"],
            cwd=tmp_path / "backup", check=True,
        )  # fmt: skip
        code, _, err = run("restore", out.strip(), "--out", tmp_path / "there")
        assert code == 0, err
        assert verify(tmp_path / "there" / HUB).intact
        assert not (tmp_path / "state" / "incoming").exists() or is_empty(tmp_path / "state")

    def test_what_a_killed_process_left_is_in_nobody_s_way(self, small, run, tmp_path):
        (tmp_path / ".a.zst.part").write_bytes(b"half")
        (tmp_path / "state" / "outgoing" / "a.zst").mkdir(parents=True)
        assert run("archive", small, "--to", f"file://{tmp_path}/a.zst")[0] == 0
        assert not (tmp_path / ".a.zst.part").exists()

    def test_another_file_is_not_overwritten_and_the_same_is_not_copied_again(
        self, small, run, tmp_path
    ):
        there = tmp_path / "a.zst"
        assert run("archive", small, "--to", f"file://{there}")[0] == 0
        before = there.stat()
        assert "it is there already" in run("archive", small, "--to", f"file://{there}")[2]
        assert there.stat().st_ino == before.st_ino
        there.write_bytes(there.read_bytes()[:-1] + b"!")
        code, _, err = run("archive", small, "--to", f"file://{there}")
        assert code == 7
        assert "is there already and is another file" in err
        assert there.read_bytes().endswith(b"!")

    def test_a_full_disk_keeps_nothing(self, sealed, tmp_path):
        room = tmp_path / "room"
        room.mkdir()
        if subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0:
            pytest.skip("no file system can be mounted by this user")
        script = (
            f"mount -t tmpfs -o size=1m none {room} && "
            f"{ENVIRONMENT / 'python'} -m runner archive {sealed} --to file://{room}/a.zst; "
            f"code=$?; ls -A {room}; exit $code"
        )
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", script],
            cwd=ROOT, env=os.environ | {"PHASEHUB_STATE": str(tmp_path / "state")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 7, done.stderr
        assert "a.zst cannot be written: its disk is full; make room there" in done.stderr
        assert done.stdout == ""


class TestRefusesWithARemedy:
    @pytest.mark.parametrize(
        ("url", "told"),
        [
            (
                "s3://no-such-bucket-here/",
                "there is no such bucket, folder or file; make it first, or mend the URL",
            ),
            ("file:///no/such/folder/", "there is no such bucket, folder or file; make it first"),
            (
                "gopher://a/b/",
                "the protocol gopher is not known; file, s3, sftp, gs, az and https are among",
            ),
            ("memory://a/", "keeps nothing once phasehub ends; give another place"),
            ("s3://bucket", "s3://bucket names no file; give PROTOCOL://PLACE/…/NAME"),
            ("folder/a.zst", "'folder/a.zst' is no URL; give PROTOCOL://PLACE/…/NAME"),
            ("simplecache::s3://a/b", "is no URL"),
            ("s3://a/b\n", "is no URL"),
        ],
    )
    def test_a_place_that_cannot_be_used(self, small, run, url, told):
        code, out, err = run("archive", small, "--to", url)
        assert (code, out) == (7, "")
        assert told in err
        assert "Traceback" not in err

    @pytest.mark.parametrize(
        "url",
        [
            f"s3://AKIA:{SECRET}@bucket/a.zst",
            f"sftp://user:{SECRET}@host/a.zst",
            f"s3://AKIA:pa/ss{SECRET}@bucket/a.zst",
            f"https://host/a.zst?X-Amz-Signature={SECRET}",
        ],
    )
    def test_a_url_with_a_secret_in_it_which_is_not_repeated(self, small, run, url):
        restores = url.startswith("https")
        arguments = ("restore", url) if restores else ("archive", small, "--to", url)
        code, _, err = run(*arguments)  # sees that the secret is not shown
        assert code == 7
        assert "holds credentials or a query" in err
        assert "leave them out, and give credentials by the environment" in err

    def test_no_credentials(self, small, run, bucket):
        code, _, err = run(
            "archive", small, "--to", f"s3://{bucket}/",
            AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None,
        )  # fmt: skip
        assert code == 7
        assert f"s3://{bucket}/{NAME} cannot be written: no credentials were found" in err
        assert "for S3 set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE" in err

    def test_credentials_that_may_not(self, small, run, bucket, guarded):
        code, _, err = run("archive", small, "--to", f"s3://{bucket}/")
        assert code == 7
        assert f"s3://{bucket}/{NAME} cannot be written: access is denied (" in err
        assert "must be allowed to list, read and write there" in err

    def test_messages_of_others_are_shown_without_their_secrets(self):
        text = f"Could not connect to https://key:{SECRET}@host:9000/x, user@host:9000"
        assert redacted(text) == "Could not connect to https://***@host:9000/x, user@host:9000"

    def test_nobody_answers(self, small, run, bucket):
        code, _, err = run(
            "archive",
            small,
            "--to",
            f"s3://{bucket}/",
            AWS_ENDPOINT_URL_S3="http://127.0.0.1:1",
        )
        assert code == 7
        assert "nobody answers (" in err
        assert (
            "look at the network, and for an S3 that is not Amazon's at AWS_ENDPOINT_URL_S3" in err
        )

    def test_a_package_that_is_not_installed(self, small, run, tmp_path):
        (tmp_path / "without").mkdir()
        (tmp_path / "without" / "s3fs.py").write_text("raise ImportError('no s3fs')")
        code, _, err = run(
            "archive", small, "--to", "s3://bucket/", PYTHONPATH=f"{tmp_path / 'without'}:{ROOT}"
        )
        assert code == 7
        assert "what s3 needs is not installed (Install s3fs to access S3); install `" in err
        assert f"-m pip install --require-hashes -r {ROOT}/runner/requirements-s3.txt`" in err

    def test_a_folder(self, small, run, tmp_path):
        code, _, err = run("archive", small, "--to", f"file://{tmp_path}")
        assert code == 7
        assert f"file://{tmp_path} is a folder; end it in / to mean a file in it" in err

    def test_a_bag(self, small, run):
        code, _, err = run("archive", small, "--bag", "--to", "file:///tmp/")
        assert code == 2
        assert "a bag is a folder of the hub alone" in err

    def test_the_place_before_any_work(self, small, run, tmp_path):
        assert run("archive", small, "--to", "s3://no-such-bucket-here/")[0] == 7
        assert not (tmp_path / "state").exists()


class TestFromAStore:
    @pytest.fixture
    def there(self, small, run, bucket):
        assert run("archive", small, "--to", f"s3://{bucket}/a.zst")[0] == 0
        return f"s3://{bucket}/a.zst"

    def refused(self, run, tmp_path, *arguments, **variables):
        code, out, err = run("restore", *arguments, "--out", tmp_path / "there", **variables)
        assert out == ""
        assert not (tmp_path / "there").exists()
        assert is_empty(tmp_path / "state")
        return code, err

    def test_what_is_not_there(self, run, bucket, tmp_path, server):
        code, err = self.refused(run, tmp_path, f"s3://{bucket}/a.zst")
        assert code == 7
        assert f"s3://{bucket}/a.zst is not there; look at the name" in err

    def test_what_is_not_what_its_checksum_says(self, there, run, server, bucket, tmp_path):
        server.put(f"/{bucket}/a.zst", b"other")
        code, err = self.refused(run, tmp_path, there)
        assert code == 4
        assert f"{there} is refused: its SHA-256 is {sha256_bytes(b'other')}, and" in err

    def test_a_checksum_that_is_none(self, there, run, server, bucket, tmp_path):
        server.put(f"/{bucket}/a.zst.sha256", b"other")
        code, err = self.refused(run, tmp_path, there)
        assert code == 4
        assert f"{there}.sha256 is no line of sha256sum" in err

    def test_what_has_no_checksum_beside_it_is_checked_as_any_file(
        self, there, run, server, bucket, tmp_path
    ):
        server.delete(f"/{bucket}/a.zst.sha256")
        assert run("restore", there, "--out", tmp_path / "one")[0] == 0
        content = server.get(f"/{bucket}/a.zst")
        server.put(f"/{bucket}/a.zst", content[:-1])
        code, err = self.refused(run, tmp_path, there)
        assert code == 4
        assert "is refused: it is cut short" in err

    def test_what_is_larger_than_allowed(self, there, run, tmp_path):
        code, err = self.refused(run, tmp_path, there, "--limit-gib", "0.000001")
        assert code == 4
        assert f"{there} is refused: it has more than the 1074 bytes that are allowed" in err

    def test_a_file_of_the_web(self, small, run, tmp_path):
        (tmp_path / "web").mkdir()
        assert run("archive", small, "--to", f"file://{tmp_path}/web/a.zst")[0] == 0
        handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
            Thread(target=web.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{web.server_port}"
            code, _, err = run("restore", f"{url}/a.zst", "--out", tmp_path / "there")
            assert code == 0, err
            assert run("restore", f"{url}/b.zst", "--out", tmp_path / "there")[0] == 7
            code, _, err = run("archive", small, "--to", f"{url}/c.zst")
            web.shutdown()
        assert code == 7
        assert "c.zst cannot be written" in err
        assert verify(tmp_path / "there" / HUB).intact
