"""Steps of a long run that overlap: threads work ahead while the caller uses what they gave."""
from collections import deque


def map_ahead(pool, function, items, most=1):
    """`map` in the pool's threads, in order, with at most `most` items taken before their result is asked for.

    items: any iterable, taken in the caller's thread. An exception of the function is raised where its result would be
    yielded; what has not begun then, or when the caller stops, is not begun.
    """
    pending = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > most:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
