"""What is written to a file and read back gives the same probabilities."""

import pytest
import torch

from densenet_sweep.commands.export import TOLERANCE, TOLERANCE_RESIZED
from densenet_sweep.models import exported


@pytest.mark.parametrize("form", exported.FORMATS)
def test_a_file_gives_what_the_classifier_gives(classifier, form, tmp_path):
    signature = classifier.signature
    path = tmp_path / f"model{exported.FORMATS[form][0]}"
    exported.write(path, classifier.export(), signature, form)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert exported.is_exported(str(path))
    found, predictor = exported.read(path)
    assert found == signature
    generator = torch.Generator().manual_seed(1)
    size = signature.image_size
    for batch, height, width in ((1, size, size), (5, size, size), (2, 3 * size, size + 1)):
        tolerance = TOLERANCE if height == size else TOLERANCE_RESIZED
        shape = (batch, signature.num_channels, height, width)
        images_BCHW = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        with torch.inference_mode():
            expected_BK = classifier(images_BCHW)
        assert torch.allclose(predictor(images_BCHW), expected_BK, atol=tolerance)


def test_a_damaged_file_is_refused(classifier, tmp_path):
    path = tmp_path / "model.pt2"
    exported.write(path, classifier.export(), classifier.signature, "torch_export")
    weight = next(iter(classifier.parameters())).detach().numpy().tobytes()
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(weight)] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"model\.pt2: not a readable file of torch\.export \(the checksum of .* is wrong\)"):
        exported.read(path)
