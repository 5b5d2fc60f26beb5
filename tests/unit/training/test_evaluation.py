import pytest
import torch
from torch import nn
from torch.nn import functional

from densenet_sweep.training.evaluation import evaluate


def batches(*sizes: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(size, 1, 4, 4, generator=generator), torch.randint(0, 3, (size,), generator=generator)) for size in sizes
    ]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(32, 3))


def test_unequal_batches_count_by_their_images():
    net, pairs = network(), batches(5, 2, 1)
    found = evaluate(net, pairs, dtype=torch.float32)
    images, labels = torch.cat([images for images, _ in pairs]), torch.cat([labels for _, labels in pairs])
    logits = net.eval()(images)
    assert found.loss == pytest.approx(functional.cross_entropy(logits, labels).item(), rel=1e-5)
    assert found.accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())
    assert torch.allclose(found.logits_NK, logits, atol=1e-6)
    assert torch.equal(found.labels_N, labels)
    assert torch.equal(found.is_right_N, logits.argmax(1) == labels)
    for true in range(3):
        for predicted in range(3):
            count = ((labels == true) & (logits.argmax(1) == predicted)).sum()
            assert found.confusion_KK[true, predicted] == count


def test_evaluation_changes_nothing_and_restores_the_mode():
    net = network().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    evaluate(net, batches(4), dtype=torch.float32)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate(network(), [], dtype=torch.float32)


def test_an_image_with_several_labels_is_right_if_all_are():
    logits_NK = torch.tensor([[2.0, -1.0], [0.5, 0.5], [-3.0, -2.0]])
    labels_NK = torch.tensor([[1, 0], [1, 0], [0, 0]])
    pairs = [(logits_NK[rows, :, None, None], labels_NK[rows]) for rows in (slice(2), slice(2, 3))]
    found = evaluate(nn.Flatten(), pairs, dtype=torch.float32)
    expected = functional.binary_cross_entropy_with_logits(logits_NK, labels_NK.float())
    assert found.loss == pytest.approx(expected.item(), rel=1e-6)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.is_right_N.tolist() == [True, False, True]
    assert found.confusion_KK is None
    assert torch.equal(found.labels_N, labels_NK)
