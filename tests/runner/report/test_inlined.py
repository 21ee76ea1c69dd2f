"""Pictures go into the page, the most important first, and nothing that is no picture."""

import base64
import io
import struct

import numpy as np
import PIL.Image
import pytest

from runner.report.inlined import inline, is_telling
from runner.report.panels import PNG
from runner.report.thumbnails import thumbnail
from tests.runner.conftest import PIXEL


def test_a_picture_stands_in_its_address_byte_for_byte(tmp_path):
    (tmp_path / "a.png").write_bytes(PIXEL)
    found = inline(tmp_path, ["a.png", "a.png"])
    kind, _, inside = found.addresses["a.png"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(inside) == PIXEL
    assert found.left_out == {}


@pytest.mark.parametrize(
    "content", [b"", b"<svg onload='alert(1)'/>", b"GIF89a", PNG[:7], b"<script>"]
)
def test_what_is_no_png_is_not_shown_whatever_it_is_called(tmp_path, content):
    (tmp_path / "recon.png").write_bytes(content)
    assert inline(tmp_path, ["recon.png"]).left_out == {"recon.png": "it is no PNG picture"}


def test_a_link_out_of_the_hub_is_not_followed(tmp_path):
    (tmp_path / "hub").mkdir()
    (tmp_path / "secret.png").write_bytes(PIXEL)
    (tmp_path / "hub" / "recon.png").symlink_to(tmp_path / "secret.png")
    assert inline(tmp_path / "hub", ["recon.png", "../secret.png"]).addresses == {}
    assert not is_telling(tmp_path / "hub", "recon.png")


def test_the_first_pictures_take_the_room_that_there_is(tmp_path):
    for name, size in (("large", 3000), ("small", 10), ("last", 2000)):
        (tmp_path / name).write_bytes(PNG + bytes(size))
    found = inline(tmp_path, ["large", "last", "small"], most=5000)
    assert list(found.addresses) == ["large", "small"]
    assert found.left_out == {"last": "the page would be too large to mail"}
    assert sum(map(len, found.addresses.values())) <= 5000


def palette_picture(path, seed):
    """A picture as jobs write them; its bytes do not shrink."""
    pixels = np.random.default_rng(seed).integers(0, 256, (90, 121)).astype(np.uint8)
    image = PIL.Image.fromarray(pixels)
    image.putpalette(bytes(range(256)) * 3)
    image.save(path, format="PNG", optimize=True)
    return pixels


def test_where_not_all_have_room_the_first_are_whole_and_the_others_small(tmp_path):
    names = [f"{n}.png" for n in range(5)]
    pixels = [palette_picture(tmp_path / name, n) for n, name in enumerate(names)]
    whole = inline(tmp_path, names)
    assert (len(whole.addresses), whole.small) == (5, frozenset())
    found = inline(tmp_path, names, most=whole.bytes - 1000)
    assert (list(found.addresses), found.left_out) == (names, {})
    assert found.small == {"4.png"}
    assert found.bytes <= whole.bytes - 1000
    assert inline(tmp_path, names, most=3 * whole.bytes // 5).small == set(names[2:])
    shown = base64.b64decode(found.addresses["4.png"].partition(",")[2])
    with PIL.Image.open(io.BytesIO(shown)) as image:
        image.load()
        assert image.getpalette() == list(range(256)) * 3
        assert np.array_equal(np.asarray(image), pixels[4][::3, ::3])


def test_a_thumbnail_is_made_of_pictures_of_our_own_form_alone(tmp_path):
    palette_picture(tmp_path / "a.png", 1)
    content = (tmp_path / "a.png").read_bytes()
    assert thumbnail(content) is not None
    grey = io.BytesIO()
    PIL.Image.fromarray(np.zeros((9, 9), np.uint8)).save(grey, format="PNG")
    huge = content.replace(struct.pack(">II", 121, 90), struct.pack(">II", 2**31, 2**31))
    for other in (PIXEL, PNG, b"", grey.getvalue(), huge, content[: len(content) // 2]):
        assert thumbnail(other) is None


def test_only_what_is_there_and_not_empty_is_linked(tmp_path):
    (tmp_path / "full").write_text("x")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    told = {name: is_telling(tmp_path, name) for name in ("full", "empty", "folder", "no", None)}
    assert [name for name, tells in told.items() if tells] == ["full"]
