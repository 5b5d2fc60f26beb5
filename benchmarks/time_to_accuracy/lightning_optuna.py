"""Lightning with Optuna's pruning callback, in two processes on one study: `python lightning_optuna.py TRIALS EPOCHS SEED`."""

import logging
import multiprocessing
import sys
import warnings
from typing import Any

import lightning
import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import MaxTrialsCallback
from optuna_integration import PyTorchLightningPruningCallback
from plain_loop import DTYPE, densenet, loaders
from printed import print_epoch
from torch import Tensor, nn

TRIALS, EPOCHS, SEED = map(int, sys.argv[1:])


class Classifier(lightning.LightningModule):
    """A DenseNet with its optimizer and its accuracy."""

    def __init__(self, growth_rate: int, depth: int, lr: float, number: int) -> None:
        super().__init__()
        self.network = densenet(growth_rate, depth).to(memory_format=torch.channels_last)
        self.lr, self.number = lr, number
        self.searched = {"growth_rate": growth_rate, "depth": depth, "lr": lr}

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        return self.network(images.to(memory_format=torch.channels_last))

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """Return the loss."""
        images, labels = batch
        return nn.functional.cross_entropy(self(images), labels)

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        """Log the accuracy."""
        images, labels = batch
        self.log("accuracy", (self(images).argmax(1) == labels).float().mean(), on_epoch=True, batch_size=len(labels))

    def on_validation_epoch_end(self) -> None:
        """Print the epoch."""
        accuracy = float(self.trainer.callback_metrics["accuracy"])
        print_epoch(self.number, self.current_epoch + 1, EPOCHS, accuracy, **self.searched)

    def configure_optimizers(self) -> dict[str, Any]:
        """Return Nesterov's momentum with a cosine."""
        optimizer = torch.optim.SGD(self.parameters(), self.lr, momentum=0.9, weight_decay=1e-4, nesterov=True)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def objective(trial: optuna.Trial) -> float:
    """Train one trial and return its last validation accuracy."""
    torch.manual_seed(SEED)
    growth_rate = trial.suggest_categorical("growth_rate", [8, 12, 16])
    depth = trial.suggest_categorical("depth", [10, 16])
    lr = trial.suggest_float("lr", 0.02, 0.5, log=True)
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=EPOCHS, precision="bf16-mixed" if DTYPE is torch.bfloat16 else "32-true",
        callbacks=[PyTorchLightningPruningCallback(trial, monitor="accuracy")], num_sanity_val_steps=0,
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Classifier(growth_rate, depth, lr, trial.number), *loaders(careful=True))
    return float(trainer.callback_metrics["accuracy"])


def work(worker: int) -> None:
    """Run trials until the study has enough."""
    torch.set_num_threads(1)
    logging.getLogger("lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")  # that the loaders have no processes of their own
    sampler = optuna.samplers.TPESampler(seed=2 * SEED + worker)
    study = optuna.load_study(study_name="study", storage=storage(), sampler=sampler)
    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.RUNNING)
    study.optimize(objective, callbacks=[MaxTrialsCallback(TRIALS, states=states)])


def storage() -> JournalStorage:
    """Return the storage that both processes use."""
    return JournalStorage(JournalFileBackend("study.journal"))


if __name__ == "__main__":
    study = optuna.create_study(study_name="study", storage=storage(), direction="maximize")
    study.enqueue_trial({"growth_rate": 12, "depth": 16, "lr": 0.2})
    workers = [multiprocessing.get_context("spawn").Process(target=work, args=(worker,)) for worker in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(study.best_params)
