from pathlib import Path

import hydra
import pytest
from hydra_async_sweeper.workers import trial_files
from omegaconf import OmegaConf, open_dict


@pytest.mark.filterwarnings(r"ignore:\s*The version_base parameter is deprecated")  # by Hydra 1.4, while 1.3 wants it
@pytest.mark.parametrize(
    ("kept", "files"),
    [
        ("all", {".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml", "7.log"}),
        ("overrides", {".hydra/overrides.yaml"}),
        ("none", set()),
    ],
)
def test_a_job_writes_what_is_kept(tmp_path, monkeypatch, kept, files):
    monkeypatch.setattr("hydra.core.utils.configure_log", lambda section, *_, **__: logged(section))

    def logged(section) -> None:
        for handler in section.handlers.values():
            if "filename" in handler:
                Path(handler.filename).touch()

    with hydra.initialize(version_base="1.3"):
        config = hydra.compose(overrides=["+x=1"], return_hydra_config=True)
    with open_dict(config.hydra):
        config.hydra.sweep.dir, config.hydra.sweep.subdir = str(tmp_path), "7"
        config.hydra.job.name, config.hydra.job.num, config.hydra.job.id = "7", 7, "7"
        config.hydra.runtime.output_dir = str(tmp_path / "7")
        config.hydra.job_logging = {
            "version": 1,
            "handlers": {"console": {"class": "a"}, "file": {"filename": "${hydra.runtime.output_dir}/${hydra.job.name}.log"}},
            "root": {"handlers": ["console", "file"]},
        }
        OmegaConf.set_readonly(config.hydra, False)
        with trial_files.written(config, kept):
            hydra.core.utils.run_job(
                task_function=lambda _: 0,
                config=config,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
                hydra_context=hydra.types.HydraContext(config_loader=None, callbacks=hydra._internal.callbacks.Callbacks()),
            )
    assert {str(path.relative_to(tmp_path / "7")) for path in tmp_path.rglob("*") if path.is_file()} == files
    assert (tmp_path / "7").exists() is (kept != "none")
    if kept != "none":
        assert (tmp_path / "7" / ".hydra" / "overrides.yaml").read_text() == "- +x=1\n"


def test_handlers_that_write_no_file_stay():
    section = {"handlers": {"console": {}, "file": {"filename": "a"}}, "root": {"handlers": ["file", "console"]}}
    assert trial_files._without_files(section) == {"handlers": {"console": {}}, "root": {"handlers": ["console"]}}
    assert trial_files._without_files(None) is None
