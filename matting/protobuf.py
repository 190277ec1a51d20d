"""The little of Protocol Buffers that weight files need: fields of a message, read and written without a library."""
import os

VARINT, LENGTH = 0, 2  # kinds of fields: a number, so many bytes
LONGEST = 63  # bits of a number
FIXED = {1: 8, 5: 4}  # the other kinds, and their bytes


def contents(file, wanted):
    """The bytes in each field of that number in the message that a binary file holds.

    Raises EOFError and KeyError where it is no such message, or cut off.
    """
    return (value for value in _values(file, wanted) if isinstance(value, bytes))


def numbers(file, wanted):
    """The number in each field of that number, likewise."""
    return (value for value in _values(file, wanted) if isinstance(value, int))


def field(number, content):
    """A field of so many bytes, as it stands in a message."""
    return _varint(8 * number + LENGTH) + _varint(len(content)) + content


def _values(file, wanted):
    """What is in each field of that number: bytes or a number; fields of fixed size are passed over."""
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    while file.tell() < end:
        number, kind = divmod(_read_varint(file), 8)
        if kind == VARINT:
            value = _read_varint(file)
            if number == wanted:
                yield value
            continue
        length = _read_varint(file) if kind == LENGTH else FIXED[kind]
        if file.tell() + length > end:
            raise EOFError
        if number == wanted and kind == LENGTH:
            yield file.read(length)
        else:
            file.seek(length, os.SEEK_CUR)


def _read_varint(file):
    """A number of seven bits a byte, the lowest first; the eighth says whether another byte follows."""
    number = shift = 0
    while True:
        byte = file.read(1)
        if not byte:
            raise EOFError
        number |= (byte[0] & 127) << shift
        shift += 7
        if byte[0] < 128:
            return number
        if shift > LONGEST:
            raise EOFError


def _varint(number):
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])
