"""Steps of a long run that overlap: one works ahead in a thread while another uses what it gave."""
from collections import deque
from concurrent.futures import ThreadPoolExecutor


def ahead(function, items, most=1):
    """Yield function(item) for each item, in order, computed in a thread of its own while the caller is busy.

    items: any iterable, taken in the caller's thread; at most `most` results wait. An exception of the function is
    raised where its result would be yielded; what has not begun then is not begun.
    """
    waiting, pool = deque(), ThreadPoolExecutor(1)
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
