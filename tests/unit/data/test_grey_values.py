"""Grey values of TIFF and FITS: those that were put in come out, in either byte order, compressed or not."""

import struct
import zlib

import numpy as np
import pytest

from densenet_sweep.data import picture
from densenet_sweep.data.picture import Reading, Values

HOW = Reading(2, 2, 1, value_range=(0, 3000))


def tiff(order: str, kind: str, numbers: list[int], *, compressed: bool, photometric: int = 1) -> bytes:
    """A TIFF of 2 by 2 grey pixels, as other programs write it."""
    dtype = np.dtype(f"{order}{kind}")
    pixels = np.array(numbers).astype(dtype).tobytes()
    pixels = zlib.compress(pixels) if compressed else pixels
    entries = [
        (256, 2), (257, 2), (258, 8 * dtype.itemsize), (259, 8 if compressed else 1), (262, photometric), (273, 134),
        (277, 1), (278, 2), (279, len(pixels)), (339, {"u": 1, "i": 2, "f": 3}[dtype.kind]),
    ]  # fmt: skip
    table = b"".join(struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in entries)
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    return header + table + struct.pack(f"{order}I", 0) + pixels


def fits(bits: int, dtype: str, numbers: list[float], *cards: str) -> bytes:
    head = ["SIMPLE  =                    T", f"BITPIX  = {bits:>20}", "NAXIS   =                    2"]
    head += [f"NAXIS{axis}  = {2:>20}" for axis in (1, 2)] + [*cards, "END"]
    return "".join(card.ljust(80) for card in head).encode().ljust(2880) + np.array(numbers).astype(dtype).tobytes().ljust(2880)


def values(content: bytes, name: str = "a.tif") -> list[list[float]]:
    with picture.quietly():
        found = picture.decode(name, content, HOW)
    assert isinstance(found, Values)
    assert (found.lowest, found.highest) == (found.values_HW.min(), found.values_HW.max())
    return found.values_HW.tolist()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_kind_of_number_is_read_in_either_byte_order(order, kind, compressed):
    lowest = 0 if kind[0] == "u" else -100
    assert values(tiff(order, kind, [lowest, 1, 256, 3000], compressed=compressed)) == [[lowest, 1], [256, 3000]]


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_lowest_value_may_be_white(order):
    content = tiff(order, "u2", [0, 1, 256, 3000], compressed=False, photometric=0)
    found = picture.decode("a.tif", content, HOW)
    assert isinstance(found, Values)
    assert found.levels_CHW((0, 3000), HOW).tolist() == [[[255, 255], [233, 0]]]


def test_numbers_of_8_bits_may_be_signed():
    assert values(tiff("<", "i1", [-128, -1, 0, 127], compressed=False)) == [[-128, -1], [0, 127]]


def test_fits_has_signed_numbers_a_scale_and_a_zero():
    assert values(fits(16, ">i2", [-5, 1, 256, 3000]), "a.fits") == [[256, 3000], [-5, 1]]  # from the lowest row up
    unsigned = fits(16, ">i2", [it - 32768 for it in (0, 1, 256, 60_000)], "BZERO   =                32768", "BSCALE  = 1.0")
    assert values(unsigned, "a.fits") == [[256, 60_000], [0, 1]]
    assert values(fits(32, ">i4", [-5, 1, 256, 300_000]), "a.fits") == [[256, 300_000], [-5, 1]]
    assert values(fits(-64, ">f8", [0, 1, 2, 3]), "a.fits") == [[2, 3], [0, 1]]
    assert values(fits(-32, ">f4", [0, 1, 2, 3], "BSCALE  =  2.0E0 / a factor"), "a.fits") == [[4, 6], [0, 2]]


def test_libtiff_writes_nothing_to_the_terminal(capfd):
    content = tiff("<", "u2", [0, 1, 256, 3000], compressed=True)
    with picture.quietly(), pytest.raises(ValueError, match="decoder error"):
        picture.decode("a.tif", content[:-4], HOW)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("largest", [300, 4095, 65535])
def test_grey_values_of_a_pgm_are_those_of_the_file(largest, plain):
    numbers = np.array([0, 1, largest // 2, largest])
    pixels = " ".join(map(str, numbers)).encode() if plain else numbers.astype(">u2").tobytes()
    content = b"%s\n2 2\n%d\n%s" % (b"P2" if plain else b"P5", largest, pixels)
    assert values(content, "a.pgm") == [[0, 1], [largest // 2, largest]]
