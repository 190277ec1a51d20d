"""What happens to image files: each takes a path and spoils what is there."""
from PIL import Image


def shrink(path):
    """To 40x36."""
    with Image.open(path) as image:
        image.resize((40, 36), Image.Resampling.NEAREST).save(path)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-40])
