"""Training batches through MindSpore's GeneratorDataset."""
import threading

import mindspore.dataset as ds

from matting.dataset.columns import COLUMNS
from matting.dataset.feed import TrainingBatches, killed_worker, reported_by_worker

# Batches that wait in memory, and a quarter of the samples that wait for them. When none is ready MindSpore looks again
# after 0.1 s, for which the samples must last: 8 feed 320 a second.
PREFETCH = 8
WATCH_EVERY = 0.1  # seconds


class TrainingLoader(TrainingBatches):
    """See TrainingBatches."""

    def __iter__(self):
        if not len(self):
            return
        ds.config.set_prefetch_size(PREFETCH)
        ds.config.set_enable_watchdog(False)  # _ProcessWatch instead
        samples = ds.GeneratorDataset(self.feed, list(COLUMNS), num_parallel_workers=self.workers,
                                      shuffle=False, python_multiprocessing=True)
        batches = samples.batch(self.config.batch_size, drop_remainder=True, num_parallel_workers=1)
        iterator = batches.create_dict_iterator(num_epochs=1, output_numpy=True)
        generator = iterator.dataset.children[0].sample_fn  # it owns the loader processes; None for a single one
        try:
            with _ProcessWatch(generator) as watch:
                yield from iterator
            if watch.killed:
                raise watch.killed
        except RuntimeError as error:
            raise reported_by_worker(error) or watch.killed or error from None
        finally:
            iterator.stop()


class _ProcessWatch:
    """Within this context an iterator whose loader process was killed raises or ends, and `killed` is the UserError.

    MindSpore's own watchdog sends SIGTERM to the main process instead; where a program catches that signal to save its
    work, as training does, the iterator would wait for the dead process for ever.
    """

    def __init__(self, generator):
        self.killed = None
        self._generator = generator
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._finished.set()
        self._thread.join()
        self._look()

    def _watch(self):
        while not (self.killed or self._finished.wait(WATCH_EVERY)):
            self._look()

    def _look(self):
        for process in getattr(self._generator, "workers", None) or ():  # None once they are stopped
            if process.exitcode:
                self.killed = killed_worker(f"process {process.pid} ended with status {process.exitcode}")
                self._generator.eof.set()  # what the iterator looks at while it waits
