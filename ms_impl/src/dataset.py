"""Training batches through MindSpore's GeneratorDataset."""
import mindspore.dataset as ds

from matting.dataset import COLUMNS, TrainingFeed, reported_by_worker, worker_count

PREFETCH = 4  # batches, and samples of each process, that wait in memory


class TrainingLoader:
    """The batches that one of `shards` devices trains on, after `start` steps, to the end of training.

    Iterating gives {column: (B, C, H, W) float32 array}, see matting.dataset.columns; len() is the steps left.
    Raises UserError for an unusable file. Where a loader process is killed, MindSpore says so in one line and
    ends the main process with SIGTERM.
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
        samples = ds.GeneratorDataset(self._feed, list(COLUMNS), num_parallel_workers=worker_count(self._config),
                                      shuffle=False, python_multiprocessing=True)
        batches = samples.batch(self._config.batch_size, drop_remainder=True, num_parallel_workers=1)
        iterator = batches.create_dict_iterator(num_epochs=1, output_numpy=True)
        try:
            yield from iterator
        except RuntimeError as error:
            raise reported_by_worker(error) from None
        finally:
            iterator.stop()
