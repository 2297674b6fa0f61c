"""Prometheus remote write 1.0 by hand: protobuf without generated code, snappy by an independent implementation."""
import struct

import cramjam

HEADERS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
           "X-Prometheus-Remote-Write-Version": "0.1.0"}
STALE = struct.pack("<Q", 0x7FF0000000000002)


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def zigzag(number):
    return varint((number << 1) ^ (number >> 63))


def message(field, body):
    return varint(field << 3 | 2) + varint(len(body)) + body


def double(field, value):
    return varint(field << 3 | 1) + (value if isinstance(value, bytes) else struct.pack("<d", value))


def integer(field, value):
    return varint(field << 3) + varint(value)


def signed(field, value):
    return varint(field << 3) + zigzag(value)


def label(name, value):
    return message(1, message(1, name.encode()) + message(2, value.encode()))


def sample(value, time_ms):
    return message(2, double(1, value) + integer(2, time_ms))


def exemplar(value, time_ms, **labels):
    return message(3, b"".join(label(k, v) for k, v in labels.items()) + double(2, value) + integer(3, time_ms))


def spans(field, pairs):
    return b"".join(message(field, signed(1, offset) + integer(2, length)) for offset, length in pairs)


def doubles(field, values):
    return message(field, b"".join(struct.pack("<d", v) for v in values))


def deltas(field, values):
    return message(field, b"".join(zigzag(v) for v in values))


def series(labels, *parts):
    """`parts`: sample(), exemplar(), histogram()."""
    return message(1, b"".join(label(k, v) for k, v in labels.items()) + b"".join(parts))


def histogram(*fields):
    return message(4, b"".join(fields))


def family(kind, name, text, unit):
    return message(3, integer(1, kind) + message(2, name.encode()) + message(4, text.encode()) +
                   message(5, unit.encode()))


def body(*parts):
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))
