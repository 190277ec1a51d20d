"""Steps of a long run that overlap: threads work ahead while the caller uses what they gave."""
from collections import deque
from concurrent.futures import Future


def map_ahead(pool, function, items, most=1):
    """`map` in the pool's threads, in order, with at most `most` items taken before their result is asked for.

    items: any iterable, taken in the caller's thread. An exception of the function is raised where its result would be
    yielded, one of the items after all results of those before it; what has not begun when one is raised, or when the
    caller stops, is not begun.
    """
    pending = deque()
    try:
        for future in _submitted(pool, function, items):
            pending.append(future)
            if len(pending) > most:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def _submitted(pool, function, items):
    """A Future for each item; the last one raises what the items raised, if anything."""
    try:
        for item in items:
            yield pool.submit(function, item)
    except Exception as error:
        failed = Future()
        failed.set_exception(error)
        yield failed
