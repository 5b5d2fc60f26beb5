"""A classifier from what a run left behind."""

import shutil

import numpy as np
import pytest
import torch
from torch.nn import functional

from densenet_sweep.data.sources import digits
from densenet_sweep.models import trained
from densenet_sweep.models.explanation import heat_maps


def enlarged_digits() -> torch.Tensor:
    """Return the test images of digits at the runs' 12 px, where resizing does not round mirror images in another way."""
    return functional.interpolate(digits("", download=False).load_test().images_NCHW.float(), 12).to(torch.uint8)


def test_it_is_right_where_the_run_was(final_artifacts):
    classifier = trained.classifier(final_artifacts)
    test = digits("", download=False).load_test()
    with torch.inference_mode():
        right_N = classifier(test.images_NCHW).argmax(dim=1) == test.labels_N
    assert np.array_equal(right_N.numpy(), np.load(final_artifacts / "test_right.npy"))
    assert 0.2 < right_N.float().mean() < 1
    assert classifier.signature.class_names == tuple("0123456789")
    assert classifier.signature.image_size == 12


def test_an_image_and_its_mirror_image_are_answered_together(final_artifacts, mirrored_artifacts):
    plain, mirrored = trained.classifier(final_artifacts), trained.classifier(mirrored_artifacts)
    images_NCHW = enlarged_digits()
    with torch.inference_mode():
        logits_NK = [plain(it).log() for it in (images_NCHW, images_NCHW.flip(3))]
        probabilities_NK = mirrored(images_NCHW)
        exported_NK = mirrored.export().module()(images_NCHW)
    expected_NK = ((logits_NK[0] + logits_NK[1]) / 2).softmax(dim=1)  # the trainings are the same
    torch.testing.assert_close(probabilities_NK, expected_NK, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(exported_NK, expected_NK, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(probabilities_NK, plain(images_NCHW), atol=1e-2)


def test_a_mirrored_classifier_is_right_where_the_run_was(final_artifacts, mirrored_artifacts):
    test = digits("", download=False).load_test()
    with torch.inference_mode():
        right_N = trained.classifier(mirrored_artifacts)(test.images_NCHW).argmax(dim=1) == test.labels_N
    assert np.array_equal(right_N.numpy(), np.load(mirrored_artifacts / "test_right.npy"))
    assert not np.array_equal(right_N.numpy(), np.load(final_artifacts / "test_right.npy"))


def test_its_heat_map_is_of_the_image_itself(final_artifacts, mirrored_artifacts):
    images_BCHW = enlarged_digits()[:4]
    classes_B = torch.zeros(4, dtype=torch.int64)
    expected_BHW = heat_maps(trained.classifier(final_artifacts), images_BCHW, classes_B)
    mirrored = trained.classifier(mirrored_artifacts)
    for model in (mirrored, mirrored.export().module()):
        torch.testing.assert_close(heat_maps(model, images_BCHW, classes_B), expected_BHW, atol=1e-4, rtol=1e-3)


def test_the_drawing_of_other_numbers_is_not_disturbed(final_artifacts):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    trained.classifier(final_artifacts)
    assert torch.equal(torch.rand(1), expected)


def test_outputs_without_a_class_in_the_data_have_a_name(final_artifacts, tmp_path):
    folder = shutil.copytree(final_artifacts, tmp_path / "artifacts")
    kept = torch.load(folder / "final.pt", weights_only=True)
    torch.save({**kept, "class_names": kept["class_names"][:9]}, folder / "final.pt")
    assert trained.classifier(folder).signature.class_names[8:] == ("8", "class 9")


def test_what_cannot_be_used_is_said(final_artifacts, tmp_path):
    folder = shutil.copytree(final_artifacts, tmp_path / "artifacts")
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("growth_rate: 4", "growth_rate: 8"))
    with pytest.raises(ValueError, match=r"final\.pt: does not fit .*config\.yaml \(Error\(s\) in loading"):
        trained.classifier(folder)
    (folder / "config.yaml").write_text(text)
    (folder / "final.pt").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"final\.pt: not a readable checkpoint"):
        trained.classifier(folder)
    (folder / "final.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"keeps no weights"):
        trained.classifier(folder)
