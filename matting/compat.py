"""zip of equal lengths: Python's own strict one came with 3.10, and MindSpore 2.0.0 needs 3.9."""


def zip_equal(*iterables):
    """Tuples of the first entries, the second ones and so on; raises ValueError where the lengths differ."""
    columns = [tuple(iterable) for iterable in iterables]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise ValueError(f"lengths differ: {lengths}")
    return zip(*columns)  # noqa: B905, checked
