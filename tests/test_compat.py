"""zip_equal, which pairs and refuses to drop what has no partner."""
import pytest

from matting.compat import zip_equal


def test_entries_are_paired_in_order():
    assert list(zip_equal("ab", (1, 2), iter([3.0, 4.0]))) == [("a", 1, 3.0), ("b", 2, 4.0)]


@pytest.mark.parametrize("longer", [0, 1])
def test_a_longer_one_is_refused_before_anything_is_paired(longer):
    columns = [[1, 2], [1, 2]]
    columns[longer].append(3)
    with pytest.raises(ValueError, match="lengths differ"):
        zip_equal(*columns)
