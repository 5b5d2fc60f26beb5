import pytest
import torch

from densenet_sweep.training import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cpu:x", "", "meta"])
def test_an_unknown_device_is_refused_with_what_is_accepted(name):
    with pytest.raises(ValueError, match=rf"^device={name}: .*accepted$"):
        precision.resolve_device(name)


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"^device=cuda:99: this machine has \d+ usable GPU"):
        precision.resolve_device("cuda:99")


def test_auto_device_is_one_that_works():
    assert torch.zeros(1, device=precision.resolve_device("auto")).sum() == 0


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_named_precisions(name, dtype):
    assert precision.resolve_dtype(name, CPU) is dtype


@pytest.mark.parametrize(("supported", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_takes_bf16_only_where_the_processor_has_it(monkeypatch, supported, dtype):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: supported)
    assert precision.resolve_dtype("auto", CPU) is dtype


def test_where_torch_cannot_tell_and_on_a_macs_gpu_auto_is_fp32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert precision.resolve_dtype("auto", CPU) is torch.float32
    assert precision.resolve_dtype("auto", torch.device("mps")) is torch.float32


@pytest.mark.parametrize("is_there", [True, False])
def test_a_macs_gpu_is_taken_by_name_where_there_is_one(monkeypatch, is_there):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: is_there)
    if is_there:
        assert precision.resolve_device("mps").type == "mps"
    else:
        with pytest.raises(ValueError, match="device=mps: this machine has no usable GPU; auto or cpu is accepted"):
            precision.resolve_device("mps")


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="precision=fp16: one of auto, fp32, bf16"):
        precision.resolve_dtype("fp16", CPU)


def test_autocast_computes_convolutions_in_the_dtype():
    convolution = precision.place(torch.nn.Conv2d(2, 2, 3), CPU)
    images = torch.randn(1, 2, 5, 5)
    with precision.autocast(CPU, torch.bfloat16):
        assert convolution(images).dtype is torch.bfloat16
    with precision.autocast(CPU, torch.float32):
        assert convolution(images).dtype is torch.float32
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)
