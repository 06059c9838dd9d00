"""A run's shard, read without Glass."""
import array
import json
import struct


class Shard:
    """A shard as its header says: tokens as characters."""

    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        n = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + n])

        def tensor(name, code):
            a, b = header[name]["data_offsets"]
            return array.array(code, data[8 + n + a:8 + n + b])
        starts = tensor("starts", "q")
        text = "".join(map(chr, tensor("tokens", "H")))
        self.documents = [text[a:b] for a, b in zip(starts, starts[1:])]

    def rows(self):
        """Of each row (document, token) the place of its input."""
        return [(d, t) for d, text in enumerate(self.documents) for t in range(len(text) - 1)]
