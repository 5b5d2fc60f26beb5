"""A classifier from what a run left behind."""

import shutil

import numpy as np
import pytest
import torch

from densenet_sweep.data.sources import digits
from densenet_sweep.models import trained


def test_it_is_right_where_the_run_was(final_artifacts):
    classifier = trained.classifier(final_artifacts)
    test = digits("", download=False).load_test()
    with torch.inference_mode():
        right_N = classifier(test.images_NCHW).argmax(dim=1) == test.labels_N
    assert np.array_equal(right_N.numpy(), np.load(final_artifacts / "test_right.npy"))
    assert 0.2 < right_N.float().mean() < 1
    assert classifier.signature.class_names == tuple("0123456789")
    assert classifier.signature.image_size == 12


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
