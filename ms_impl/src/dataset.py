"""Training batches through MindSpore's GeneratorDataset."""
import multiprocessing
import threading
from contextlib import contextmanager

import mindspore.dataset as ds
from mindspore.dataset.core.py_util_helpers import ExceptionHandler

from matting.dataset import COLUMNS, TrainingFeed, killed_worker, reported_by_worker, worker_count

PREFETCH = 4  # batches, and samples of each process, that wait in memory
WATCH_EVERY = 0.1  # seconds


class TrainingLoader:
    """The batches that one of `shards` devices trains on, after `start` steps, to the end of training.

    Iterating gives {column: (B, C, H, W) float32 array}, see matting.dataset.columns; len() is the steps left.
    Raises UserError for an unusable file, and where a loader process dies.
    """

    def __init__(self, config, shard=0, shards=1, start=0):
        self._feed = TrainingFeed(config, shard, shards, start)
        self._config = config
        self.steps_per_epoch = self._feed.steps_per_epoch

    def __len__(self):
        return self._feed.steps

    def __iter__(self):
        if not len(self):
            return
        ds.config.set_prefetch_size(PREFETCH)
        ds.config.set_enable_watchdog(False)  # _killed_processes_raise instead
        samples = ds.GeneratorDataset(self._feed, list(COLUMNS), num_parallel_workers=worker_count(self._config),
                                      shuffle=False, python_multiprocessing=True)
        batches = samples.batch(self._config.batch_size, drop_remainder=True, num_parallel_workers=1)
        iterator = batches.create_dict_iterator(num_epochs=1, output_numpy=True)
        try:
            with _killed_processes_raise():
                yield from iterator
        except RuntimeError as error:
            raise reported_by_worker(error) from None
        finally:
            iterator.stop()


@contextmanager
def _killed_processes_raise():
    """Within this context a loader process that was killed makes iterators raise.

    MindSpore's own watchdog sends SIGTERM to the main process instead; where a program catches that signal to save its
    work, as training does, the iterator would wait for the dead process for ever.
    """
    finished = threading.Event()

    def watch():
        processes = set()
        while not finished.wait(WATCH_EVERY):
            processes |= {child for child in multiprocessing.active_children() if hasattr(child, "res_queue")}
            for process in [process for process in processes if process.exitcode]:
                processes.remove(process)
                try:
                    raise killed_worker(f"process {process.pid} ended with status {process.exitcode}")
                except Exception:  # handed over as if the process had met it
                    process.res_queue.put(ExceptionHandler(where="in a loader process"))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
