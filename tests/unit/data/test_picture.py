"""One picture, from the content of its file to levels: the values that were put in come out."""

import io
import os
import re
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from densenet_sweep.data import picture
from densenet_sweep.data.picture import RangeNeededError, Reading, Values
from densenet_sweep.data.reading import as_reading

GREY = Reading(4, 4, 1)
COLOUR = Reading(4, 4, 3)
RAMP = np.linspace(0, 65535, 16).astype(np.uint16).reshape(4, 4)
LEVELS = [[[0, 17, 34, 51], [68, 85, 102, 119], [136, 153, 170, 187], [204, 221, 238, 255]]]


def encoded(image: Image.Image, form: str = "PNG", **arguments: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **arguments)
    return file.getvalue()


def decoded(content: bytes, how: Reading = GREY, name: str = "a.png") -> np.ndarray | Values:
    with picture.quietly():
        return picture.decode(name, content, how)


def levels(content: bytes, how: Reading = GREY) -> list:
    found = decoded(content, how)
    assert isinstance(found, np.ndarray)
    return found.tolist()


@pytest.mark.parametrize(
    ("array", "form"),
    [
        (RAMP, "PNG"),
        (RAMP, "TIFF"),
        (RAMP.astype(">u2"), "TIFF"),
        (RAMP.astype(np.int32) * 1000, "TIFF"),
        (RAMP.astype(np.int32) - 70_000, "TIFF"),
        (RAMP // 16, "PNG"),  # 12 bits of 16
    ],
)
def test_grey_of_16_and_32_bits_keeps_its_ramp(array, form):
    found = decoded(encoded(Image.fromarray(array), form))
    assert isinstance(found, Values)
    assert (found.lowest, found.highest) == (array.min(), array.max())
    assert np.abs(found.levels_CHW((found.lowest, found.highest), GREY).astype(int) - np.array(LEVELS)).max() <= 1
    assert found.levels_CHW((found.lowest, found.highest), COLOUR).shape == (3, 4, 4)


def test_values_are_scaled_by_the_given_range_whatever_the_picture_holds():
    dark = decoded(encoded(Image.fromarray(RAMP // 4)))
    assert isinstance(dark, Values)
    assert dark.levels_CHW((0, 65535), GREY).max() == 64
    assert (dark.levels_CHW((0, 8191), GREY) == 255).sum() == 8
    assert dark.levels_CHW((7, 7), GREY).max() == 0


def test_unsigned_32_bits_are_not_taken_for_signed():
    values = np.array([[0, 2**31, 2**32 - 1, 0]] * 4, np.uint32)
    signed = Image.fromarray(values.view(np.int32))
    content = bytearray(encoded(signed, "TIFF"))
    found = decoded(bytes(content).replace(b"\x53\x01\x03\x00\x01\x00\x00\x00\x02", b"\x53\x01\x03\x00\x01\x00\x00\x00\x01"))
    assert isinstance(found, Values)
    assert (found.lowest, found.highest) == (0, 2**32)  # of float32
    assert found.levels_CHW((0, 2**32), GREY)[0, 0].tolist() == [0, 128, 255, 0]


def test_a_tiff_whose_lowest_value_is_white_is_inverted():
    content = encoded(Image.fromarray(RAMP), "TIFF")
    white = content.replace(b"\x06\x01\x03\x00\x01\x00\x00\x00\x01", b"\x06\x01\x03\x00\x01\x00\x00\x00\x00")
    assert white != content
    found = decoded(white)
    assert isinstance(found, Values)
    assert found.levels_CHW((0, 65535), GREY).tolist() == (255 - np.array(LEVELS)).tolist()


def test_floating_point_needs_a_range():
    content = encoded(Image.fromarray(np.array([[-1, 0, 1, np.nan]] * 4, np.float32)), "TIFF")
    with pytest.raises(RangeNeededError):
        decoded(content)
    found = decoded(content, as_reading(image_size=4, num_channels=1, value_range=[-1, 1]))
    assert isinstance(found, Values)
    assert found.levels_CHW((-1, 1), GREY)[0, 0].tolist() == [0, 128, 255, 0]


def test_a_hidden_colour_never_shows():
    red = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    red.putpixel((0, 0), (255, 0, 0, 255))
    red.putpixel((1, 0), (255, 0, 0, 51))
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 255, 0, 255, 0, 0])
    assert np.array(levels(encoded(red), COLOUR))[:, 0].T.tolist() == [[255, 0, 0], [255, 204, 204], [255] * 3, [255] * 3]
    blue = as_reading(image_size=4, num_channels=3, background="blue")
    for content in (
        encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0))),
        encoded(Image.new("LA", (4, 4), (7, 0))),
        encoded(palette, transparency=1),
        encoded(palette, "GIF", transparency=1),
        encoded(Image.new("L", (4, 4), 9), transparency=9),
        encoded(Image.new("RGB", (4, 4), (1, 2, 3)), transparency=(1, 2, 3)),
    ):
        assert np.array(levels(content, blue))[:, 1, 1].tolist() == [0, 0, 255]
        assert np.array(levels(content, GREY)).tolist() == [[[255] * 4] * 4]


def test_nor_in_the_mean_of_its_neighbours():
    halves = Image.new("RGBA", (8, 8), (0, 255, 0, 0))
    halves.paste((255, 255, 255, 255), (0, 0, 3, 8))
    assert np.array(levels(encoded(halves), COLOUR)).min() == 255


def test_nor_does_a_hidden_value_of_16_bits():
    array = np.full((8, 8), 1000, np.uint16)
    array[:, 4:] = 60_000
    found = decoded(encoded(Image.fromarray(array), transparency=60_000), Reading(4, 4, 1, (10, 10, 10)))
    assert isinstance(found, Values)
    assert (found.lowest, found.highest) == (1000, 1000)
    seen = found.levels_CHW((0, 1000), Reading(4, 4, 1, (10, 10, 10)))
    assert seen[0].tolist() == [[255, 255, 10, 10]] * 4


CORNERS = {1: [1, 2, 3, 4], 2: [2, 1, 4, 3], 3: [4, 3, 2, 1], 4: [3, 4, 1, 2]}
CORNERS |= {5: [1, 3, 2, 4], 6: [3, 1, 4, 2], 7: [4, 2, 3, 1], 8: [2, 4, 1, 3]}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("tag", CORNERS)
def test_every_orientation_is_applied(tag, form):
    array = np.kron(np.array([[1, 2], [3, 4]], np.uint8), np.full((8, 8), 50, np.uint8))
    image = Image.fromarray(array)
    exif = image.getexif()
    exif[0x0112] = tag
    lossless = {"lossless": True} if form == "WEBP" else {}
    content = encoded(image if form != "WEBP" else image.convert("RGB"), form, exif=exif, **lossless)
    found = np.array(levels(content, Reading(16, 16, 1)))[0]
    corners = found[[1, 1, -2, -2], [1, -2, 1, -2]] / 50
    assert corners.round().astype(int).tolist() == CORNERS[tag]


def test_damaged_metadata_say_nothing_of_the_pixels():
    content = encoded(Image.new("L", (4, 4), 77), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert levels(content) == [[[77] * 4] * 4]


@pytest.mark.parametrize("form", ["AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP", "QOI"])
def test_what_pillow_opens_is_read(form):
    content = encoded(Image.new("RGB", (16, 16), (100, 100, 100)), form)
    assert abs(np.array(levels(content, Reading(8, 8, 1))) - 100.0).max() <= 2


def test_suffixes_are_pillows_without_what_it_cannot_decode():
    found = picture.suffixes()
    assert {".jfif", ".avif", ".jp2", ".jpg", ".png", ".tif", ".webp", ".dcm"} <= found
    assert not {".h5", ".mpg", ".pdf", ".txt", ".grib"} & found


WIDE = np.zeros((2, 8), np.uint8)
WIDE[:, 3:5] = 200


@pytest.mark.parametrize(
    ("resize", "expected"),
    [
        ("crop", [[200, 200], [200, 200]]),
        ("stretch", [[50, 50], [50, 50]]),
        ("pad", [[50, 50], [9, 9]]),
    ],
)
def test_three_ways_to_resize(resize, expected):
    how = as_reading(image_size=2, num_channels=1, resize=resize, background=[9, 9, 9])
    assert levels(encoded(Image.fromarray(WIDE)), how)[0] == pytest.approx(np.array(expected), abs=12)
    deep = decoded(encoded(Image.fromarray(WIDE.astype(np.uint16) * 256)), how)
    assert isinstance(deep, Values)
    assert deep.levels_CHW((0, 65280), how)[0].tolist() == pytest.approx(np.array(expected), abs=12)


def test_height_and_width():
    tall = Image.fromarray(np.repeat(np.arange(8, dtype=np.uint8)[:, None] * 30, 4, axis=1))
    how = as_reading(image_size=[8, 2], num_channels=1)
    assert levels(encoded(tall), how)[0] == [[30 * row] * 2 for row in range(8)]
    assert np.array(levels(encoded(tall), as_reading(image_size=[2, 4], num_channels=1)))[0].tolist() == [[90] * 4, [120] * 4]


@pytest.mark.parametrize(("image_size", "size"), [([2, 8], (1, 100)), ([8, 2], (100, 1))])
def test_a_very_narrow_picture_is_not_black(image_size, size):
    how = as_reading(image_size=image_size, num_channels=1)
    assert set(np.array(levels(encoded(Image.new("L", size, 200)), how)).ravel()) == {200}


def test_a_huge_picture_is_refused_by_our_limit_and_no_warning(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    content = encoded(Image.new("L", (8, 8)))
    assert np.array(levels(content)).shape == (1, 4, 4)
    with pytest.raises(ValueError, match=r"has 64 pixels; at most data\.max_pixels=63 are accepted"):
        decoded(content, Reading(4, 4, 1, max_pixels=63))
    assert Image.MAX_IMAGE_PIXELS == 10


def test_what_is_no_picture_says_why():
    with pytest.raises(ValueError, match=r"^no format that can be read$"):
        decoded(b"no picture")
    with pytest.raises(ValueError, match="truncated"):
        decoded(encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)), "JPEG")[:900])


def test_whatever_a_decoder_raises_is_a_reason():
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8))
    with pytest.raises(ValueError, match=r"^AssertionError$"):  # Pillow's, which has no text
        decoded(encoded(colours.quantize(16), "ICNS"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resize": "fit"}, r"data\.resize=fit: one of crop, pad, stretch is accepted"),
        ({"background": "no colour"}, r"data\.background=no colour: a colour such as white"),
        ({"background": [1, 2, 300]}, r"data\.background=\[1, 2, 300\]: a colour"),
        ({"value_range": [1]}, r"data\.value_range=\[1\]: two numbers"),
        ({"value_range": [5, 5]}, r"data\.value_range=\[5, 5\]: two numbers, the first below the second"),
        ({"num_channels": 2}, r"data\.num_channels=2: 1 \(grey\) or 3"),
    ],
)
def test_readings_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        as_reading(**{"image_size": 8, "num_channels": 3, **arguments})


def test_text_of_a_png_may_be_long():
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 100_000)
    assert levels(encoded(Image.new("L", (4, 4), 5), pnginfo=info)) == [[[5] * 4] * 4]


def png(colour_type: int, channels: int) -> bytes:
    """A PNG of 16 bits a channel, which Pillow does not write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + struct.pack(f">{4 * channels}H", *range(4 * channels)) for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff() -> bytes:
    """A TIFF of 16 bits of red, green and blue."""
    pixels = struct.pack("<48H", *range(48))
    entries = [
        (256, 3, 1, 4), (257, 3, 1, 4), (258, 3, 3, 8 + 2 + 9 * 12 + 4), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 8 + 2 + 9 * 12 + 4 + 6), (277, 3, 1, 3), (278, 3, 1, 4), (279, 4, 1, len(pixels)),
    ]  # fmt: skip
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *it) for it in entries) + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8) + table + struct.pack("<3H", 16, 16, 16) + pixels


def sgi(channels: int, bytes_per_channel: int = 2) -> bytes:
    header = struct.pack(
        ">hbbHHHHII4s", 474, 0, bytes_per_channel, 2 if channels == 1 else 3, 4, 4, channels, 0, 65535, bytes(4)
    )
    return header.ljust(512, b"\0") + bytes(range(16)) * channels * bytes_per_channel


def jpeg2000(mode: str, bits: int, **options: object) -> bytes:
    """A JPEG 2000 that says it has so many bits a channel, which Pillow does not write."""
    content = bytearray(encoded(Image.new(mode, (4, 4), 5), "JPEG2000", **options))
    start = content.find(b"\xff\x4f\xff\x51")
    for index in range(len(mode)):
        content[start + 42 + 3 * index] = bits - 1
    return bytes(content)


DEEP = {
    "RGB": (16, png(2, 3)),
    "RGBA": (16, png(6, 4)),
    "LA": (16, png(4, 2)),
    "TIFF": (16, tiff()),
    "PPM": (16, b"P6\n4 4\n65535\n" + struct.pack(">48H", *range(48))),
    "PPM of 12 bits": (12, b"P6\n4 4\n4095\n" + struct.pack(">48H", *range(48))),
    "plain PPM": (10, b"P3\n4 4\n1023\n" + b" ".join(b"%d" % it for it in range(48))),
    "JPEG 2000": (16, jpeg2000("RGB", 16)),
    "a bare codestream": (12, jpeg2000("LA", 12, no_jp2=True)),
}


@pytest.mark.parametrize("name", DEEP)
def test_colour_of_more_than_8_bits_is_refused_instead_of_losing_its_low_bits(name):
    bits, content = DEEP[name]
    with pytest.raises(ValueError, match=rf"^{bits} bits a channel; 8 are read, or 16 in a grey picture without transparency$"):
        picture.decode("picture.png", content, Reading(4, 4, 3))


@pytest.mark.parametrize("channels", [1, 3])
def test_of_sgi_even_grey_of_16_bits_is_refused(channels):
    with pytest.raises(ValueError, match=r"^16 bits a channel; 8 are read in this format$"):
        picture.decode("picture.sgi", sgi(channels), Reading(4, 4, 3))
    assert levels(sgi(channels, 1))[0][3] == [0, 1, 2, 3]


@pytest.mark.parametrize(("flags", "bits"), [(0x40, 10), (0x60, 12)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_of_avif_even_grey_of_more_than_8_bits_is_refused(mode, flags, bits):
    content = encoded(Image.new(mode, (16, 16), 5), "AVIF")
    assert np.array(levels(content)).shape == (1, 4, 4)
    deep = content  # Pillow writes no such
    for channels in (1, 3):
        of_pixels = [b"pixi" + bytes([0, 0, 0, 0, channels, *[it] * channels]) for it in (8, bits)]
        deep = deep.replace(*of_pixels)
    for start in [match.end() + 2 for match in re.finditer(b"av1C", deep)]:
        deep = deep[:start] + bytes([deep[start] | flags]) + deep[start + 1 :]
    with pytest.raises(ValueError, match=rf"^{bits} bits a channel; 8 are read in this format$"):
        decoded(deep)


def test_what_has_8_bits_or_deep_grey_is_read():
    assert isinstance(picture.decode("picture.png", png(0, 1), Reading(4, 4, 1)), Values)
    grey = b"P5\n4 4\n4095\n" + struct.pack(">16H", *range(0, 4096, 256))
    assert isinstance(picture.decode("picture.pgm", grey, Reading(4, 4, 1)), Values)
    for content, level in (
        (jpeg2000("RGB", 8), 1),  # a red of 5
        (b"P6\n4 4\n255\n" + bytes([5] * 48), 5),
        (b"P6\n4 4\n5\n" + bytes([5] * 48), 255),
    ):
        assert levels(content) == [[[level] * 4] * 4]


def test_grey_values_of_12_bits_are_those_of_the_file():
    # Read with 12 bits, the middle of 16 bits is that of 12.
    lossless = encoded(Image.fromarray(np.full((4, 4), 32768 - 2048 + 3000, np.uint16)), "JPEG2000", no_jp2=True)
    content = bytearray(lossless)
    content[content.find(b"\xff\x4f\xff\x51") + 42] = 11
    binary = b"P5\n4 4\n4095\n" + struct.pack(">16H", *[3000] * 16)
    for deep in (bytes(content), binary, b"P2\n4 4\n4095\n" + b" 3000" * 16):
        found = decoded(deep)
        assert isinstance(found, Values)
        assert (found.lowest, found.highest) == (3000, 3000)


def test_lab_gives_colours_and_grey():
    colours = Image.new("RGB", (4, 4), (200, 30, 60))
    spaces = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    content = encoded(ImageCms.profileToProfile(colours, *spaces, outputMode="LAB"), "TIFF")
    assert np.array(levels(content, COLOUR))[:, 0, 0] == pytest.approx([200, 30, 60], abs=2)
    assert levels(content)[0][0][0] == pytest.approx(colours.convert("L").getpixel((0, 0)), abs=2)


def test_a_pipe_and_a_device_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zeros.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "zeros.png"):
        with pytest.raises(OSError, match="is no file"):
            picture.content_of(str(tmp_path / name))
