"""Training batches through PyTorch's DataLoader."""
import signal

import torch
from torch.utils.data import DataLoader

from matting.dataset.columns import COLUMNS
from matting.dataset.feed import TrainingBatches, killed_worker, reported_by_worker
from matting.errors import UserError


class TrainingLoader(TrainingBatches):
    """See TrainingBatches."""

    def __iter__(self):
        loader = DataLoader(self.feed, self.config.batch_size, num_workers=self.workers,
                            prefetch_factor=1, worker_init_fn=_ignore_interrupts,
                            generator=torch.Generator())  # of its own: loading draws nothing from the global one
        with torch.profiler.record_function("import"):  # what DataLoader would import while its processes may be dying
            pass
        try:
            handler, batches = signal.getsignal(signal.SIGCHLD), iter(loader)
            if signal.getsignal(signal.SIGCHLD) != handler:  # PyTorch's own raises in the middle of a step
                signal.signal(signal.SIGCHLD, handler)
            for batch in batches:
                yield {name: column.numpy() for name, column in zip(COLUMNS, batch, strict=True)}
        except UserError as error:
            raise reported_by_worker(error) or error from None
        except RuntimeError as error:  # DataLoader's word for a process that was killed
            raise killed_worker(str(error).splitlines()[0]) from None


def _ignore_interrupts(worker):
    """Ctrl-C reaches every process of the terminal; the main one decides what becomes of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
