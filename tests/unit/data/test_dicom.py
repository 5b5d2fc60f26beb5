"""DICOM through pydicom: values, window, photometric interpretation, and what cannot be read by name."""

import io

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import JPEG2000, UID, ExplicitVRLittleEndian, generate_uid

from densenet_sweep.data import picture
from densenet_sweep.data.image_folder import image_folder
from densenet_sweep.data.picture import Reading, Values

GREY = Reading(4, 4, 1)
RAMP = np.arange(16, dtype=np.uint16).reshape(4, 4) * 100


def scan(
    array: np.ndarray, photometric: str = "MONOCHROME2", syntax: UID = ExplicitVRLittleEndian, **elements: object
) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    meta.MediaStorageSOPInstanceUID = generate_uid()
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.Rows, made.Columns = array.shape[:2]
    made.SamplesPerPixel = 1 if array.ndim == 2 else 3
    if array.ndim == 3:
        made.PlanarConfiguration = 0
    made.PhotometricInterpretation = photometric
    made.BitsAllocated = made.BitsStored = 8 * array.dtype.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(array.dtype.kind == "i")
    made.PixelData = array.tobytes()
    for name, value in elements.items():
        setattr(made, name, value)
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def decoded(content: bytes, how: Reading = GREY) -> np.ndarray | Values:
    with picture.quietly():
        return picture.decode("a.dcm", content, how)


def test_values_are_those_of_the_modality():
    found = decoded(scan(RAMP.astype(np.int16), RescaleSlope=2, RescaleIntercept=-1024))
    assert isinstance(found, Values)
    assert (found.lowest, found.highest) == (-1024, 1976)
    assert found.levels_CHW((-1024, 1976), GREY).tolist()[0][0] == [0, 17, 34, 51]


def test_high_is_dark_in_monochrome1():
    found = decoded(scan(RAMP, "MONOCHROME1"))
    assert isinstance(found, Values)
    assert found.levels_CHW((0, 1500), GREY).tolist()[0][0] == [255, 238, 221, 204]
    windowed = decoded(scan(RAMP, "MONOCHROME1", WindowCenter=750.5, WindowWidth=1501))
    assert np.asarray(windowed).tolist()[0][0] == [255, 238, 221, 204]


def test_a_window_gives_levels_unless_a_range_is_given():
    content = scan(RAMP, WindowCenter=[300.5, 1000], WindowWidth=[601, 5])
    assert np.asarray(decoded(content))[0, :2] == pytest.approx(np.array([[0, 43, 85, 128], [170, 212, 255, 255]]), abs=1)
    found = decoded(content, Reading(4, 4, 1, value_range=(0, 1500)))
    assert isinstance(found, Values)
    assert found.levels_CHW((0, 1500), GREY).tolist()[0][0] == [0, 17, 34, 51]


def test_a_range_that_training_has_found_replaces_no_window_and_reads_no_floating_point():
    windowed = scan(RAMP, WindowCenter=750.5, WindowWidth=1501)
    trained_with = decoded(windowed)
    assert picture.levels_of("a.dcm", windowed, GREY, (0.0, 9000.0)).tolist() == np.asarray(trained_with).tolist()
    plain = scan(RAMP)
    assert picture.levels_of("a.dcm", plain, GREY, (0.0, 3000.0)).max() == 128
    file = io.BytesIO()
    Image.fromarray(RAMP.astype(np.float32)).save(file, "TIFF")
    with pytest.raises(ValueError, match=r"^a\.tif: holds floating-point values, and the training pictures held none"):
        picture.levels_of("a.tif", file.getvalue(), GREY, (0.0, 3000.0))


def test_colour_of_more_than_8_bits_is_refused_instead_of_losing_them():
    deep = np.arange(48, dtype=np.uint16).reshape(4, 4, 3)
    with pytest.raises(ValueError, match=r"^12 bits a channel; 8 are read, or 16 in a grey picture$"):
        decoded(scan(deep, "RGB", BitsStored=12, HighBit=11), Reading(4, 4, 3))
    found = decoded(scan(deep, "RGB", BitsStored=8, HighBit=7), Reading(4, 4, 3))
    assert np.asarray(found).transpose(1, 2, 0).tolist() == deep.tolist()


@pytest.mark.parametrize("factor", [1, 257])  # an entry of 16 bits may hold a number of 8
def test_a_palette_gives_colours(factor):
    table = (np.arange(256) * factor).astype("<u2").tobytes()
    palette = {}
    for name in ("Red", "Green", "Blue"):
        palette[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        palette[f"{name}PaletteColorLookupTableData"] = table
    numbers = np.arange(0, 160, 10, dtype=np.uint8).reshape(4, 4)
    found = decoded(scan(numbers, "PALETTE COLOR", **palette), Reading(4, 4, 3))
    assert np.asarray(found).tolist() == [numbers.tolist()] * 3


def test_colour_and_frames():
    colours = np.zeros((4, 4, 3), np.uint8)
    colours[..., 0] = 200
    assert np.asarray(decoded(scan(colours, "RGB"), Reading(4, 4, 3)))[:, 0, 0].tolist() == [200, 0, 0]
    frames = scan(np.concatenate([RAMP, RAMP + 5000]), Rows=4, NumberOfFrames=2)
    found = decoded(frames)
    assert isinstance(found, Values)
    assert found.highest == 1500


def test_a_compressed_one_names_what_is_missing():
    from pydicom.encaps import encapsulate

    content = scan(RAMP, syntax=JPEG2000, PixelData=encapsulate([b"\xff\x4f\xff\x51" + bytes(100)]))
    with pytest.raises(ValueError, match=r"is compressed \(JPEG 2000 Image Compression\): pip install pylibjpeg"):
        decoded(content)


def test_what_is_none_or_too_large():
    with pytest.raises(ValueError, match="is not DICOM"):
        decoded(b"no scan" * 100)
    with pytest.raises(ValueError, match=r"has 16 pixels; at most data\.max_pixels=15"):
        decoded(scan(RAMP), Reading(4, 4, 1, max_pixels=15))


def test_a_folder_of_scans_and_other_pictures(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for index in range(4):
            (tmp_path / label / f"{index}.dcm").write_bytes(scan(RAMP))
        Image.new("L", (4, 4), 9).save(tmp_path / label / "x.png")
    source = image_folder(str(tmp_path), image_size=4, num_channels=1, test_fraction=0.25, split_seed=0)
    assert source.value_range == (0, 1500)
    assert len(source.train) + len(source.load_test()) == 10
