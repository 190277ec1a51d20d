"""What a training shows in TensorBoard, read from its event files."""
import struct

from tensorboardX.proto.event_pb2 import Event


def board(folder):
    """{tag: [(step, value)]} of the curves and pictures of a stage's folder."""
    found = {}
    for path in sorted((folder / "tensorboard").iterdir()):
        content, place = path.read_bytes(), 0
        while place < len(content):  # length, its checksum, the event, its checksum
            length, = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12:place + 12 + length])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value))
            place += length + 16
    return found
