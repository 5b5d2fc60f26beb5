"""A classifier gives what training's own evaluation sees, for images of any size."""

from dataclasses import replace

import pytest
import torch

import densenet_sweep
from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.models.classifier import Classifier, Signature

TINY = ["architecture.depth=10", "architecture.growth_rate=4", "data=digits"]


def images(batch: int, channels: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, channels, height, width), dtype=torch.uint8, generator=generator)


def test_probabilities_are_those_of_the_network_after_training_preprocessing(classifier):
    size = classifier.signature.image_size
    preprocessing = Preprocessing(size, classifier.mean_C, classifier.std_C)
    for height in (size, 2 * size):
        images_BCHW = images(3, classifier.signature.num_channels, height, height)
        with torch.inference_mode():
            floats_BCHW = preprocessing.normalize(preprocessing.resize(images_BCHW))
            expected_BK = classifier.network(floats_BCHW).softmax(dim=1)
            found_BK = classifier(images_BCHW)
        assert torch.equal(found_BK, expected_BK)
        assert found_BK.dtype == torch.float32
        assert torch.allclose(found_BK.sum(dim=1), torch.ones(3))


def test_the_exported_graph_takes_any_batch_and_size(classifier):
    size, channels = classifier.signature.image_size, classifier.signature.num_channels
    module = classifier.export().module()
    for batch, height, width in ((1, size, size), (5, size, size), (2, 1, 1), (3, 2 * size, size), (1, 7, 3 * size)):
        images_BCHW = images(batch, channels, height, width)
        with torch.inference_mode():
            assert torch.allclose(module(images_BCHW), classifier(images_BCHW), atol=1e-6)


def test_dropout_is_off():
    network = densenet_sweep.build([*TINY, "architecture.drop_rate=0.5"])
    classifier = Classifier(network, signature=Signature(1, 8, ("a",) * 10), mean_C=torch.zeros(1), std_C=torch.ones(1))
    images_BCHW = images(4, 1, 8, 8)
    with torch.inference_mode():
        assert torch.equal(classifier(images_BCHW), classifier(images_BCHW))


def test_weights_of_a_narrower_type_become_fp32():
    network = densenet_sweep.build(TINY).bfloat16()
    classifier = Classifier(network, signature=Signature(1, 8, ("a",) * 10), mean_C=torch.zeros(1), std_C=torch.ones(1))
    assert {tensor.dtype for tensor in classifier.parameters()} == {torch.float32}


def test_a_signature_survives_as_texts():
    signature = Signature(3, 32, ("a, b", "[c]", "\u00e9"))
    other = Signature(1, (32, 48), ("a", "b"), resize="pad", background=(1, 2, 3), value_range=(-1024.0, 3071.5))
    found = replace(other, range_is_found=True)
    unlimited = replace(found, max_pixels=None)
    assert (other.reading.max_pixels, unlimited.reading.max_pixels) == (200_000_000, None)
    assert (other.reading.value_range, other.found_range) == (other.value_range, None)
    assert (found.reading.value_range, found.found_range) == (None, other.value_range)
    for each in (signature, other, found, unlimited):
        assert Signature.from_texts({**each.as_texts(), "other": "text"}) == each
    older = {key: signature.as_texts()[key] for key in ("num_channels", "image_size", "class_names")}
    assert Signature.from_texts(older) == Signature.from_texts({**older, "value_range": ""}) == signature
    for texts in ({}, {**signature.as_texts(), "class_names": "a, b"}, {**signature.as_texts(), "image_size": "big"}):
        with pytest.raises(ValueError, match="says nothing of its classes and images"):
            Signature.from_texts(texts)


def test_of_several_labels_each_has_a_probability_of_its_own():
    signature = Signature(1, 8, ("edge", "mass", "node"), is_multi_label=True, thresholds=(0.5, 0.25, 0.125))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    classifier = Classifier(network, signature=signature, mean_C=torch.zeros(1), std_C=torch.ones(1))
    images_BCHW = images(4, 1, 8, 8)
    with torch.inference_mode():
        logits_BK = classifier.network(images_BCHW / 255)
        assert torch.allclose(classifier(images_BCHW), logits_BK.sigmoid(), atol=1e-6)
    assert Signature.from_texts(signature.as_texts()) == signature
    older = {key: text for key, text in signature.as_texts().items() if key not in ("multi_label", "thresholds")}
    assert Signature.from_texts(older) == Signature(1, 8, ("edge", "mass", "node"))


@pytest.mark.parametrize(
    ("signature", "predicted"),
    [
        (Signature(1, 8, ("a", "b", "c"), is_multi_label=True, thresholds=(0.2, 0.6, 0.3)), ["a", "c"]),  # at it, too
        (Signature(1, 8, ("a", "b", "c"), is_multi_label=True), ["b"]),
        (Signature(1, 8, ("a", "b"), thresholds=(0.4, 0.6)), ["a"]),
        (Signature(1, 8, ("a", "b"), thresholds=(0.45, 0.55)), ["b"]),
        (Signature(1, 8, ("a", "b")), None),
        (Signature(1, 8, ("a", "b", "c")), None),
    ],
)
def test_labels_are_predicted_from_their_thresholds_on(signature, predicted):
    assert signature.predicted([0.2, 0.55, 0.3][: len(signature.class_names)]) == predicted
