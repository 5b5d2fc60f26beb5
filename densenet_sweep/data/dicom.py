"""Pictures of medical scanners, through pydicom, which is an extra of this package: pip install 'densenet-sweep[dicom]'.

Shape suffixes: C channels, H height, W width.
"""

from io import BytesIO
from typing import Any

import numpy as np

from densenet_sweep.data.picture import check_size


def read(
    content: bytes, value_range: tuple[float, float] | None, max_pixels: int | None
) -> np.ndarray | tuple[np.ndarray, bool]:
    """Return uint8 levels (HW or HWC) of a picture in colour or with a window; or else its values_HW, and whether high is dark.

    Values are those after the modality transformation, such as Hounsfield units. A given `value_range` replaces the window of
    the file. Of several frames the first is taken.

    Raises:
        ValueError: pydicom is not installed, the file is damaged, has no pixels, or is compressed by what no plugin reads.
    """
    try:
        import pydicom
        from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
    except ImportError:
        raise ValueError("needs pydicom; pip install 'densenet-sweep[dicom]' installs it") from None
    try:
        scan = pydicom.dcmread(BytesIO(content))
        if "PixelData" not in scan:
            raise ValueError("has no pixels")
        check_size(int(scan.Columns), int(scan.Rows), max_pixels)
        raw = _decoded(scan)
    except pydicom.errors.InvalidDicomError:
        raise ValueError("is not DICOM") from None
    except NotImplementedError as error:
        raise ValueError(str(error)) from None
    photometric = str(scan.PhotometricInterpretation)
    if photometric == "PALETTE COLOR":
        return _high_bytes(apply_color_lut(raw, scan))
    if raw.ndim == 3:  # pydicom has converted YBR to RGB
        if int(scan.BitsStored) > 8:
            raise ValueError(f"{scan.BitsStored} bits a channel; 8 are read, or 16 in a grey picture")
        return raw.astype(np.uint8)
    values_HW = apply_modality_lut(raw, scan).astype(np.float64)
    inverted = photometric == "MONOCHROME1"
    if value_range is None and "WindowCenter" in scan and "WindowWidth" in scan:
        levels_HW = _windowed(values_HW, _first(scan.WindowCenter), _first(scan.WindowWidth))
        return 255 - levels_HW if inverted else levels_HW
    return values_HW, inverted


def num_frames(content: bytes) -> int:
    """Return how many frames a file has that can be read."""
    import pydicom

    header = pydicom.dcmread(BytesIO(content), stop_before_pixels=True, specific_tags=["NumberOfFrames"])
    return int(header.get("NumberOfFrames") or 1)


def _high_bytes(colours_HWC: np.ndarray) -> np.ndarray:
    """Return the colours of a palette as uint8; one of 16 bits may hold numbers of 8."""
    is_wide = colours_HWC.dtype == np.uint16 and colours_HWC.max() > 255
    return (colours_HWC >> 8 if is_wide else colours_HWC).astype(np.uint8)


def _decoded(scan: Any) -> np.ndarray:
    """Return the pixels of the first frame as they are stored."""
    from pydicom.pixels.utils import pixel_array

    syntax = scan.file_meta.TransferSyntaxUID
    try:
        raw: np.ndarray = pixel_array(scan, index=0)  # others may fill the memory
    except RuntimeError as error:
        if syntax.is_compressed:
            needed = "pylibjpeg with its plugins pylibjpeg-libjpeg and pylibjpeg-openjpeg"
            raise ValueError(f"is compressed ({syntax.name}): pip install {needed}, from which pydicom reads it") from None
        raise ValueError(str(error)) from None
    return raw


def _windowed(values_HW: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Return uint8 levels of the linear window (DICOM PS3.3, C.11.2.1.2.1)."""
    shares_HW = np.clip((values_HW - (centre - 0.5)) / max(width - 1, 1e-6) + 0.5, 0, 1)
    levels_HW: np.ndarray = (shares_HW * 255).round().astype(np.uint8)
    return levels_HW


def _first(number: Any) -> float:
    """Return the first of several windows."""
    return float(number[0] if not isinstance(number, int | float | str) and hasattr(number, "__len__") else number)
