import pytest
from hydra_async_sweeper.launchers import gpus


@pytest.fixture
def amd(tmp_path, monkeypatch):
    """A host with a processor and two AMD GPUs, and no NVIDIA driver."""
    for variable in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(gpus, "_num_nvidia", lambda: 0)
    monkeypatch.setattr(gpus, "_AMD_NODES", tmp_path)
    for node, gpu_id in enumerate(("0", "37299", "51110")):
        (tmp_path / str(node)).mkdir()
        (tmp_path / str(node) / "gpu_id").write_text(f"{gpu_id}\n")
    return monkeypatch


def test_gpus_of_amd_are_counted_without_the_processor(amd, tmp_path):
    assert gpus.visible_gpus() == ["0", "1"]
    amd.setattr(gpus, "_AMD_NODES", tmp_path / "elsewhere")
    assert gpus.visible_gpus() == []


@pytest.mark.parametrize("variable", ["HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"])
def test_within_the_gpus_that_rocm_is_given_they_are_numbered_anew(amd, variable):
    amd.setenv(variable, "1")
    assert gpus.visible_gpus() == ["0"]


def test_a_mask_of_cuda_names_them(amd):
    amd.setenv("CUDA_VISIBLE_DEVICES", "1, GPU-a")
    assert gpus.visible_gpus() == ["1", "GPU-a"]
    amd.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert gpus.visible_gpus() == []
