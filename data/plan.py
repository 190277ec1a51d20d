"""What is composed from what, and every check that can be made before the first write."""
from dataclasses import dataclass
from pathlib import Path

from matting.dataset.data_list import SEPARATOR, TrainRow, ValidationRow
from matting.dataset.splits import training_stems
from matting.errors import UserError, listed
from matting.images.listing import by_stem, list_images
from matting.images.reading import check_equal_sizes, read_alpha, read_header, read_image, read_trimap

ROLES = ("original", "mask", "trimap")  # the folders of a data set
SPLITS = {"train": ("original", "mask"), "validation": ("original", "mask", "trimap")}  # and what a split keeps of them
READERS = {"original": read_image, "mask": read_alpha, "trimap": read_trimap}
MERGED = "merged"  # the folder of a split's composites
COPY, UPRIGHT, ESTIMATE = "copy", "upright", "estimate"  # how a prepared file comes about


@dataclass(frozen=True)
class Settings:
    """What decides which composites a set holds, and their pixels."""

    num_bgs_train: int
    num_bgs_val: int
    estimate_foreground: bool
    validation: tuple  # stems, sorted


@dataclass(frozen=True)
class PreparedFile:
    """A file of a prepared set that is made from one of the user's; paths with `/`, relative to data_dir."""

    source: str
    target: str
    how: str  # COPY; UPRIGHT: EXIF rotation applied; ESTIMATE: the foreground's own colours


@dataclass(frozen=True)
class Foreground:
    """One foreground: its prepared files by role, and the backgrounds it is composed over."""

    stem: str
    split: str
    height: int
    width: int
    files: dict  # {role: PreparedFile}
    backgrounds: tuple  # file names, relative to bg_dir

    @property
    def composites(self):
        """{merged path: background name}, K counting from 0."""
        return {f"{self.split}/{MERGED}/{self.stem}_{k}.png": name for k, name in enumerate(self.backgrounds)}

    @property
    def rows(self):
        """The foreground's lines of data.txt."""
        files = {role: file.target for role, file in self.files.items()}
        if self.split == "train":
            return [TrainRow(merged, files["mask"], files["original"], name)
                    for merged, name in self.composites.items()]
        return [ValidationRow(merged, files["mask"], files["trimap"]) for merged in self.composites]


def make_plan(data_dir, bg_dir, settings):
    """All foregrounds, train before validation, sorted by stem; backgrounds are dealt out once each, in sorted order.

    Raises UserError for whatever would stop the preparation halfway.
    """
    sources = _matching_sources(data_dir)
    stems = {"train": training_stems(sources["original"], settings.validation, data_dir),
             "validation": settings.validation}
    each = {"train": settings.num_bgs_train, "validation": settings.num_bgs_val}
    backgrounds = iter(_enough_backgrounds(bg_dir, stems, each))
    return [_plan_foreground({role: sources[role][stem] for role in ROLES}, split, data_dir, settings,
                             tuple(next(backgrounds) for _ in range(each[split])))
            for split in SPLITS for stem in stems[split]]


def data_txt(plan):
    """{path relative to data_dir: text} of the lists that training and evaluation read."""
    return {f"{split}/data.txt": "".join(f"{SEPARATOR.join(row)}\n" for foreground in plan
                                         if foreground.split == split for row in foreground.rows)
            for split in SPLITS}


def prepared_folders(data_dir):
    """All folders of a prepared set that hold images."""
    return [Path(data_dir) / split / role for split, roles in SPLITS.items() for role in (*roles, MERGED)]


def _matching_sources(data_dir):
    """{role: {stem: path}}, the same stems for every role."""
    sources = {role: by_stem(Path(data_dir) / role) for role in ROLES}
    all_stems = sorted(set().union(*sources.values()))
    for role, paths in sources.items():
        missing = [stem for stem in all_stems if stem not in paths]
        if missing:
            raise UserError(f"{Path(data_dir) / role}: has no {listed(missing)}; "
                            f"each stem needs a file in {', '.join(ROLES)}")
    _check_names(path for paths in sources.values() for path in paths.values())
    return sources


def _enough_backgrounds(bg_dir, stems, each):
    """The sorted background names, at least each[split] for each of stems[split]."""
    paths = list_images(bg_dir)
    needed = sum(len(stems[split]) * each[split] for split in SPLITS)
    if len(paths) < needed:
        arithmetic = " + ".join(f"{len(stems[split])} {split} foregrounds x {each[split]}" for split in SPLITS)
        raise UserError(f"{bg_dir}: holds {len(paths)} backgrounds, but {needed} are needed ({arithmetic}); "
                        "add photographs or lower --num_bgs_train and --num_bgs_val")
    _check_names(paths[:needed])
    return [path.name for path in paths]


def _plan_foreground(sources, split, data_dir, settings, backgrounds):
    """sources: {role: path} of one stem."""
    headers = {role: read_header(path) for role, path in sources.items()}
    sizes = {role: (height, width) for role, (height, width, _) in headers.items()}
    for role in ROLES:
        check_equal_sizes(sources[role], sizes[role], sources["original"], sizes["original"])
    if split == "validation":
        read_trimap(sources["trimap"])

    files = {}
    for role in SPLITS[split]:
        source, upright = sources[role], headers[role][2]
        estimated = role == "original" and settings.estimate_foreground
        how = ESTIMATE if estimated else COPY if upright else UPRIGHT
        name = source.name if how == COPY else f"{source.stem}.png"
        files[role] = PreparedFile(source.relative_to(data_dir).as_posix(), f"{split}/{role}/{name}", how)
    return Foreground(sources["original"].stem, split, *sizes["original"], files, backgrounds)


def _check_names(paths):
    for path in paths:
        if SEPARATOR in path.name or "\n" in path.name:
            raise UserError(f"{path}: data.txt cannot hold a name with {SEPARATOR!r} or a line break; rename the file")
