# SPDX-License-Identifier: Apache-2.0
"""Readers of TensorFlow 1: files that the graph writes itself, their names in a queue, and records out of them."""
import atexit
import gzip
import os
import shutil
import tempfile
import zlib

from case import *
from tensorflow.python.ops import gen_data_flow_ops, gen_io_ops

FOLDER = "turnery_cases"  # below the folder of temporary files; ours keep them in memory
atexit.register(shutil.rmtree, os.path.join(tempfile.gettempdir(), FOLDER), True)

MAKE = {"TextLineReaderV2": gen_io_ops.text_line_reader_v2, "TFRecordReaderV2": gen_io_ops.tf_record_reader_v2,
        "FixedLengthRecordReaderV2": gen_io_ops.fixed_length_record_reader_v2, "WholeFileReaderV2": gen_io_ops.whole_file_reader_v2,
        "IdentityReaderV2": gen_io_ops.identity_reader_v2}


class Reading:
    """A reader, a closed queue of names, and operators one after another."""
    def __init__(self, reader, names, close=True, **kw):
        self.last, self.reader = [], MAKE[reader](**kw)
        self.queue = raw.FIFOQueueV2(component_types=[tf.string], shapes=[[]])
        self.on_queue("queue_enqueue_many", components=[names])
        if close:
            self.on_queue("queue_close")

    def after(self, make):
        with v1.control_dependencies(self.last):
            out = make()
        one = out[0] if isinstance(out, (list, tuple)) else out
        self.last = [one.op if hasattr(one, "op") else one]
        return out

    def on_queue(self, op, **kw):
        return self.after(lambda: getattr(gen_data_flow_ops, op + "_v2")(handle=self.queue, **kw))

    def do(self, op, **kw):
        return self.after(lambda: getattr(gen_io_ops, op + "_v2")(reader_handle=self.reader, **kw))

    def read(self):
        return list(self.do("reader_read", queue_handle=self.queue))

    def read_up_to(self, n):
        return list(self.do("reader_read_up_to", queue_handle=self.queue, num_records=tf.constant(n, tf.int64)))

    def counts(self):
        return [self.do("reader_num_records_produced"), self.do("reader_num_work_units_completed")]


def paths(rng, n):
    tag = "%08x" % rng.integers(1 << 32)
    return ["%s/%s/%s/%d" % (tempfile.gettempdir(), FOLDER, tag, k) for k in range(n)]


def reading(rng, reader, contents, build, wrong=(), **kw):
    """A case: the files are written, their names put into the queue (`wrong` before them), and build(Reading) is wanted."""
    names = paths(rng, len(contents))
    def whole(*contents):
        written = [raw.WriteFile(filename=f, contents=c) for f, c in zip(names, contents)]
        with v1.control_dependencies(written):
            all_names = tf.identity(tf.constant([*wrong, *names], shape=[len(wrong) + len(names)]))
        out = build(Reading(reader, all_names, **kw))
        with v1.control_dependencies([o.op for o in out]):
            return [tf.identity(o) for o in out]
    return case(reader, whole, *[np.array(c, object) for c in contents], shapes="known")


def record_inputs(rng):
    """TensorFlow opens the files before a graph could write them: orders are in the unit tests."""
    for batch, parallel in ((2, 1), (-1, 1), (2, -1)):
        yield case("RecordInput", lambda b=batch, p=parallel: raw.RecordInput(file_pattern="/nowhere/none", batch_size=b, file_parallelism=p))


def one_by_one(n):
    def build(r):
        out = []
        for k in range(n):
            out += r.read() + (r.counts() if k in (n // 2, n - 1) else [])
        return out
    return build


def in_pieces(*sizes):
    def build(r):
        out = []
        for n in sizes:
            out += r.read_up_to(n) + r.counts()
        return out
    return build


def some_text(rng, lines):
    end = pick(rng, b"\n", b"\r\n")
    words = [pick(rng, b"", b"one", b"a\rb", b"x,y", b"\xc3\xa4") for _ in range(lines)]
    return end.join(words) + pick(rng, b"", end)


def lines(rng):
    for _ in range(2):
        files = [some_text(rng, int(rng.integers(1, 4))), b"", some_text(rng, int(rng.integers(1, 4))), b"the\nend"]
        n = sum(f.count(b"\n") + (f[-1:] not in (b"", b"\n")) for f in files)
        yield reading(rng, "TextLineReaderV2", files, one_by_one(n))
        yield reading(rng, "TextLineReaderV2", files, in_pieces(2, 0, 1))
        yield reading(rng, "TextLineReaderV2", files, one_by_one(n + 1))
    for skip in (1, 2, 7):
        yield reading(rng, "TextLineReaderV2", [b"h\nH\n1\n2\n", b"h", b"\n\n3", b"1\n2\n3\n4\n5\n6\n7\n8"], one_by_one(2),
                      skip_header_lines=skip)


def tf_records(rng, n, compression=""):
    with tempfile.TemporaryDirectory() as d:
        with tf.io.TFRecordWriter(d + "/f", options=compression or None) as w:
            for _ in range(n):
                w.write(rng.bytes(int(rng.integers(0, 9))))
        with open(d + "/f", "rb") as f:
            return f.read()


def records(rng):
    for c in ("", "ZLIB", "GZIP", "other"):
        files = [tf_records(rng, n, c if c != "other" else "") for n in (2, 0, 3)]
        yield reading(rng, "TFRecordReaderV2", files, one_by_one(5), compression_type=c)
        yield reading(rng, "TFRecordReaderV2", files, in_pieces(3, 2, 1), compression_type=c)
        yield reading(rng, "TFRecordReaderV2", files, one_by_one(6), compression_type=c)
        yield reading(rng, "TFRecordReaderV2", [files[0], files[2][:-2]], one_by_one(5), compression_type=c)
    plain, packed = tf_records(rng, 2), tf_records(rng, 2, "ZLIB")
    damaged = plain[:13] + bytes([plain[13] ^ 1]) + plain[14:]
    for f, c in ((packed, ""), (plain, "ZLIB"), (plain, "GZIP"), (damaged, ""), (b"short", ""), (plain[:12], ""), (zlib.compress(plain + b"rest"), "ZLIB")):
        yield reading(rng, "TFRecordReaderV2", [f], one_by_one(2), compression_type=c)


def fixed(rng):
    a, b = b"HHabcdefghijFF", b"HHabcFF"
    for kw, n in ((dict(record_bytes=3, header_bytes=2, footer_bytes=2), 4), (dict(record_bytes=3), 6), (dict(record_bytes=14), 1),
                  (dict(record_bytes=3, hop_bytes=2, header_bytes=2, footer_bytes=2), 5), (dict(record_bytes=3, hop_bytes=5), 4),
                  (dict(record_bytes=7, header_bytes=2), 1), (dict(record_bytes=20), 1), (dict(record_bytes=0), 3),
                  (dict(record_bytes=3, header_bytes=20), 1), (dict(record_bytes=3, footer_bytes=20), 1),
                  (dict(record_bytes=3, header_bytes=-1), 1), (dict(record_bytes=-3), 1), (dict(record_bytes=3, footer_bytes=-1), 1),
                  (dict(record_bytes=3, hop_bytes=-1), 1)):
        yield reading(rng, "FixedLengthRecordReaderV2", [a, b], one_by_one(n), **kw)
    kw = dict(record_bytes=3, header_bytes=2, footer_bytes=2)
    for encoding, pack in (("ZLIB", zlib.compress), ("GZIP", gzip.compress), ("other", lambda x: x)):
        for hop in (0, pick(rng, 2, 5)):
            files = [pack(a), pack(b)]
            yield reading(rng, "FixedLengthRecordReaderV2", files, one_by_one(3 if hop == 5 else 4), encoding=encoding, hop_bytes=hop, **kw)
            yield reading(rng, "FixedLengthRecordReaderV2", files, in_pieces(2, 3), encoding=encoding, hop_bytes=hop, **kw)
    yield reading(rng, "FixedLengthRecordReaderV2", [b"no zlib"], one_by_one(1), encoding="ZLIB", **kw)


def whole(rng):
    files = [rng.bytes(5), b"", b"text"]
    for name in ("WholeFileReader", "IdentityReader"):
        yield reading(rng, name + "V2", files, one_by_one(3))
        yield reading(rng, name + "V2", files, in_pieces(4, 0, 4))
        yield reading(rng, name + "V2", files, one_by_one(4))
    for name in ("WholeFileReader", "TextLineReader", "TFRecordReader", "FixedLengthRecordReader"):
        yield reading(rng, name + "V2", [], one_by_one(1), wrong=["/nowhere/at/all"], **(dict(record_bytes=1) if name[0] == "F" else {}))


def states(rng):
    def there_and_back(r):
        first = r.read()
        state = r.do("reader_serialize_state")
        second = r.read() + r.counts()
        r.do("reader_restore_state", state=state)
        between = r.counts()
        third = r.read() + r.counts()
        r.do("reader_reset")
        return [*first, state, *second, *between, *third, *r.counts(), r.do("reader_serialize_state")]
    yield reading(rng, "IdentityReaderV2", [b"1", b"2", b"3"], there_and_back)
    yield reading(rng, "WholeFileReaderV2", [b"1", b"2", b"3"], there_and_back)
    def again(r):
        out = r.read()
        r.do("reader_reset")
        return out + r.read() + r.counts()
    yield reading(rng, "TextLineReaderV2", [b"1\n2\n", b"3\n"], again)
    for state in (b"", b"xx", b"\x08\x01\x10\x02", b"\x08\x05\x10\x05\x18\x03", b"\x08\x02\x10\x01\x18\x01\x22\x01q", b"\x08", b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"):
        def restored(r, state=state):
            r.do("reader_restore_state", state=tf.constant(state))
            return r.counts() + [r.do("reader_serialize_state")] + r.read() + r.counts()
        yield reading(rng, pick(rng, "IdentityReaderV2", "WholeFileReaderV2"), [b"1"], restored)


def queues(rng):
    """Queues that are not of single names."""
    for types, components in (([tf.int32], [1]), ([tf.string, tf.string], ["a", "b"]), ([tf.string], [["a", "b"]]), ([tf.string], [["a"]])):
        def build(x, types=types, components=components):
            q = raw.FIFOQueueV2(component_types=types)
            with v1.control_dependencies([raw.QueueEnqueueV2(handle=q, components=components)]):
                out = raw.ReaderReadV2(reader_handle=raw.IdentityReaderV2(), queue_handle=q)
            return [*out, x]
        yield case("ReaderReadV2", build, draw(rng, F32, 1))


def cases(rng):
    yield from lines(rng)
    yield from records(rng)
    yield from fixed(rng)
    yield from whole(rng)
    yield from states(rng)
    yield from queues(rng)
    yield from record_inputs(rng)
