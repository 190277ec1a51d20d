"""Adobe's data set of Deep Image Matting as it is distributed: lists, folders, each missing or surplus file named.

    Test_set/{test_fg_names.txt,test_bg_names.txt}          foreground i goes over the pictures of lines 20i to 20i + 19
    Test_set/Adobe-licensed images/{fg,alpha,trimaps}       NAME.png, NAME.png, NAME_0.png to NAME_19.png
    Test_set/merged                                         NAME_0.png to NAME_19.png, once they are composed
    Training_set/{Adobe-licensed images,Other}/{fg,alpha}   NAME.jpg or NAME.png, NAME.png
"""
from pathlib import Path
from typing import NamedTuple

from matting.errors import UserError
from matting.images.listing import by_stem
from matting.images.reading import check_equal_sizes, read_header

EACH = 20  # pictures that a foreground of the test set goes over
LICENSED = "Adobe-licensed images"
TRAINING = (LICENSED, "Other")  # folders of Training_set
VOC_FOLDERS = ("", "JPEGImages", "VOC2012/JPEGImages", "VOCdevkit/VOC2012/JPEGImages")  # where pictures may lie


class Foreground(NamedTuple):
    """One of the test set, and what is to be composed of it."""

    colours: Path
    alpha: Path
    trimaps: tuple  # of each composite
    backgrounds: tuple  # names, likewise
    merged: tuple  # likewise: where it is, or will be

    @property
    def missing(self):
        """[(background name, composite)] of the composites that are not there."""
        return [(name, path) for name, path in zip(self.backgrounds, self.merged, strict=True)
                if not path.exists()]


def read_test_set(adobe):
    """[Foreground] of ADOBE/Test_set, in the published order.

    Raises UserError naming all that is missing or surplus, and where a file is of another size than its foreground.
    """
    test_set = adobe / "Test_set"
    names, backgrounds = (_read_names(test_set / f"test_{kind}_names.txt") for kind in ("fg", "bg"))
    stems = [Path(name).stem for name in names]
    repeated = sorted({stem for stem in stems if stems.count(stem) > 1})
    if repeated:
        raise UserError(f"{test_set / 'test_fg_names.txt'}: names {', '.join(repeated)} more than once; restore it "
                        "from the data set")
    if len(backgrounds) != EACH * len(names):
        raise UserError(f"{test_set / 'test_bg_names.txt'}: names {len(backgrounds)} pictures, not {EACH} for each of "
                        f"{len(names)} foregrounds; restore it from the data set")
    numbered = [f"{stem}_{k}" for stem in stems for k in range(EACH)]
    wanted = {f"{LICENSED}/fg": stems, f"{LICENSED}/alpha": stems, f"{LICENSED}/trimaps": numbered}
    found = {folder: by_stem(test_set / folder) for folder in wanted}
    merged = by_stem(test_set / "merged") if any((test_set / "merged").glob("[!.]*")) else {}
    _check_whole(test_set, {**found, "merged": merged}, {**wanted, "merged": numbered}, optional=("merged",))
    colours, alphas, trimaps = found.values()
    plan = []
    for start, stem in zip(range(0, len(numbered), EACH), stems, strict=True):
        own = numbered[start:start + EACH]
        plan.append(Foreground(colours[stem], alphas[stem], tuple(trimaps[name] for name in own),
                               tuple(backgrounds[start:start + EACH]),
                               tuple(merged.get(name, test_set / "merged" / f"{name}.png") for name in own)))
        _check_sizes(plan[-1])
    return plan


def read_training_set(adobe):
    """{stem: (colours, alpha)} of ADOBE/Training_set, in order.

    Raises UserError naming all that have no partner, and stems that both of its folders have.
    """
    training_set = adobe / "Training_set"
    roles = {folder: [f"{folder}/{role}" for role in ("fg", "alpha")] for folder in TRAINING}
    found = {path: by_stem(training_set / path) for paths in roles.values() for path in paths}
    wanted = {path: sorted(set().union(*(found[other] for other in paths)))
              for paths in roles.values() for path in paths}
    _check_whole(training_set, found, wanted)
    pairs = [[found[path] for path in paths] for paths in roles.values()]
    twice = sorted(pairs[0][0].keys() & pairs[1][0].keys())
    if twice:
        raise UserError(f"{training_set}: has {', '.join(twice)} in {' and in '.join(TRAINING)}; keep one of each")
    return {stem: (path, alphas[stem]) for colours, alphas in pairs for stem, path in colours.items()}


def find_pictures(voc, names):
    """{name: file} of PASCAL VOC's pictures; raises UserError naming all that are missing."""
    if not voc.is_dir():
        raise UserError(f"{voc}: no such folder; --voc names the one of PASCAL VOC")
    found = {name: path for folder in VOC_FOLDERS for name in names if (path := voc / folder / name).is_file()}
    missing = sorted(set(names) - found.keys())
    if missing:
        raise UserError(f"{voc}: has no {', '.join(missing)}; complete PASCAL VOC, whose pictures lie there or in "
                        f"{', '.join(filter(None, VOC_FOLDERS))} of it")
    return found


def _read_names(path):
    """The lines of a list of the data set, which may end with CR; raises UserError where there are none."""
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such file; --adobe names the folder that holds Test_set as distributed") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not a text file; restore it from the data set") from None
    if not names:
        raise UserError(f"{path}: is empty; restore it from the data set")
    return names


def _check_whole(root, found, wanted, optional=()):
    """Raise UserError naming what {folder: {stem: file}} lacks of {folder: stems}, and what it holds beside them."""
    missing = [f"{folder}/{stem}" for folder, stems in wanted.items() if folder not in optional
               for stem in stems if stem not in found[folder]]
    surplus = [found[folder][stem].relative_to(root).as_posix() for folder, stems in wanted.items()
               for stem in sorted(found[folder].keys() - set(stems))]
    faults = [f"{what} {', '.join(names)}{advice}" for what, names, advice in (
        ("has no", missing, "; restore this from the data set"),
        ("holds", surplus, ", of no foreground of test_fg_names.txt; move this away")) if names]
    if faults:
        raise UserError(f"{root}: {'; '.join(faults)}")


def _check_sizes(foreground):
    """Raise UserError where the matte, a trimap or a composite that is there is of another size than the foreground."""
    size = read_header(foreground.colours)[:2]
    for path in (foreground.alpha, *foreground.trimaps, *filter(Path.exists, foreground.merged)):
        check_equal_sizes(path, read_header(path)[:2], foreground.colours, size)
