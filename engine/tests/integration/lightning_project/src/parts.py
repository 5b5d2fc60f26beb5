"""A model, its data, and the callback that reports to the sweep."""

import lightning
import torch
from hydra_async_sweeper import TrialPruned, current_trial
from torch.utils.data import DataLoader, TensorDataset


class Line(lightning.LightningModule):
    def __init__(self, lr: float, width: int):
        super().__init__()
        self.lr = lr
        self.layers = torch.nn.Sequential(torch.nn.Linear(1, width), torch.nn.ReLU(), torch.nn.Linear(width, 1))

    def training_step(self, batch, _):
        return torch.nn.functional.mse_loss(self.layers(batch[0]), batch[1])

    def validation_step(self, batch, _):
        self.log("val/loss", torch.nn.functional.mse_loss(self.layers(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


class Numbers(lightning.LightningDataModule):
    def __init__(self, batch_size: int):
        super().__init__()
        self.batch_size = batch_size

    def loader(self):
        numbers = torch.linspace(-1, 1, 32)[:, None]
        return DataLoader(TensorDataset(numbers, 2 * numbers), batch_size=self.batch_size)

    train_dataloader = val_dataloader = loader


class ReportToTrial(lightning.Callback):
    """Ends a trial that the pruner stops."""

    def __init__(self, monitor: str):
        self.monitor = monitor

    def on_validation_end(self, trainer, _):
        if trainer.sanity_checking:
            return
        trial = current_trial()
        trial.report(trainer.callback_metrics[self.monitor], step=trainer.current_epoch + 1)
        if trial.should_prune():
            raise TrialPruned
