"""The configuration inside a weight file, put in and taken out by no framework, so that one file is enough.

A .pth, .pt or .npz is a ZIP archive: config.yaml is one more member, which PyTorch and NumPy leave alone, so that
torch.load still gives a plain state dict. A .ckpt, .mindir or .onnx is one message of Protocol Buffers, which a field
may be added to at its end: an entry {key: config.yaml, value: text} of field 14, which ONNX calls metadata_props and
MINDIR user_info. MindSpore's checkpoints have no such field, and so each of its versions passes over it; one more
parameter would be one too many for every reader that loads strictly.
"""
import io
import zipfile
from pathlib import Path

from matting.errors import UserError
from matting.files import file_kind
from matting.protobuf import contents, field

NAME = "config.yaml"
ARCHIVES = (".pth", ".pt", ".pth.tar", ".npz")
MESSAGES = (".ckpt", ".mindir", ".onnx")
METADATA, KEY, VALUE = 14, 1, 2  # fields: of models, and of the entries in it


def embed(path, text):
    """Add a text to a whole weight file of a kind listed above."""
    if file_kind(path) in ARCHIVES:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo(_member(archive)), text)  # of no date: equal weights, equal files
        return
    assert file_kind(path) in MESSAGES, path
    entry = field(KEY, NAME.encode()) + field(VALUE, text.encode())
    with Path(path).open("ab") as file:
        file.write(field(METADATA, entry))


def embedded(path):
    """The text that was added to a weight file; empty where there is none, or no such file.

    Raises UserError where the text is damaged; of other damage whoever reads the weights knows better what to say.
    """
    if file_kind(path) in ARCHIVES and zipfile.is_zipfile(path):
        return _in_archive(path)
    if file_kind(path) in MESSAGES and Path(path).is_file():
        return _in_message(path)
    return ""


def _in_archive(path):
    try:
        with zipfile.ZipFile(path) as archive:
            name = _member(archive)
            return archive.read(name).decode() if name in archive.namelist() else ""
    except (zipfile.BadZipFile, UnicodeDecodeError, EOFError) as error:
        raise UserError(f"{path}: the configuration in it is damaged ({error}); write the file again") from None


def _member(archive):
    """Beside the first member, which in PyTorch's archives lies in a folder."""
    folder, slash, _ = next(iter(archive.namelist()), "").partition("/")
    return folder + slash + NAME if slash else NAME


def _in_message(path):
    try:
        with Path(path).open("rb") as file:
            entries = [io.BytesIO(entry) for entry in contents(file, METADATA)]
        texts = [text.decode() for entry in entries if NAME.encode() in contents(entry, KEY)
                 for text in contents(entry, VALUE)]
    except (EOFError, KeyError, UnicodeDecodeError):  # not such a message
        return ""
    return texts[-1] if texts else ""
