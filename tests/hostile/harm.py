"""Harming a good text at random, in the ways in which files go wrong and in those in which people mean harm."""

import gzip
import io
import random
import re
import tarfile
import zipfile

LARGEST = 60_000  # bytes of a case; what sizes alone do is in test_costs.py

ODD = [
    b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\r", b"\t", b"\x1b[2J", b"\x85", b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80", "\u202e\u2066".encode(), "e\u0301é".encode(), b"..", b"/", b"\\", b"../../x", b"C:",
    b"~", b"nul", b"file:///etc/passwd", b"http://a@b:c/",
    b"%2e%2e%2f", b"%s%n{0}{0.__class__}", b"$(x)`x`", b"<!--", b"---\n", b"...\n", b"+++\n",
    b"'", b'"', b'"""', b"'''", b"#", b"=", b":", b",", b"-", b"*", b"&", b"!", b"|", b">", b"@", b"?", b"%", b"`",
    b"[", b"]", b"{", b"}", b"(", b")", b"[[", b"]]", b"<<", b"<<<<<<< a\n", b"=======\n", b">>>>>>> b\n",
    b"&a ", b"*a",
    b"!!python/object/apply:os.system ", b"!!binary ", b"!!set ", b"eval(", b"__import__('os')", b"__class__",
    b"lambda:0",
    b"**", b"//", b"9**9**9", b"1e308", b"True", b"None", b"\\ud800", b"\\u0000", b"\\x00", b"\\UFFFFFFFF",
]  # fmt: skip
VALUES = [
    b"null", b"true", b"false", b"0", b"-1", b"1", b"1.5", b"-0.0", b"1e999", b"-1e999", b"NaN", b"inf", b"9" * 30,
    b"9" * 5000,
    b"1e-400", b"0x10", b"0o7", b"1_0", b"07:30:00", b"1979-05-27", b"[]", b"{}", b'""', b'"x"', b"[[]]", b'[{}]',
    b'{"a":1}',
    b"{a = 1}", b"[null]", b'"\\ud800"', b'"\\u0000"', b'"../x"', b'"/x"', b'"a/b"', b'"."', b'"\\n"',
    b'"' + b"x" * 300 + b'"',
    b'"target:teacher"', b'"self"', b'"hf:a/b"', b'"zoo:a-b-c"', b'"https://h/x"', b'"pypi:a"', b'"eval(x)"', b'">= 1"',
]  # fmt: skip
_SCALAR = re.compile(rb'"(?:[^"\\\n]|\\.)*"|[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null|\[\]|\{\}|(?<=: )\w+$')
_NESTS = [b"[", b"{", b"(", b"- ", b'{"a":', b"a.", b"[[", b"-", b"? ", b"!a ", b"'", b'"', b"{a=", b"abs("]


def harmed(draw: random.Random, sample: bytes, others: list[bytes], words: list[bytes]) -> bytes:
    """`sample` after a few random changes; `words` are those that mean something to its reader."""
    data = sample
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 6))):
        data = draw.choice(_WAYS)(draw, data, others, words)
    return data[:LARGEST]


def _flip(draw, data, others, words):
    if not data:
        return bytes([draw.randrange(256)])
    at = draw.randrange(len(data))
    return data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]


def _insert(draw, data, others, words):
    at = draw.randint(0, len(data))
    return (
        data[:at]
        + draw.choice(words if words and draw.random() < 0.5 else ODD)
        + data[at + draw.choice((0, 0, 1, 3)) :]
    )


def _value(draw, data, others, words):
    """Another value where one stands."""
    found = list(_SCALAR.finditer(data))
    if not found:
        return _insert(draw, data, others, words)
    start, end = draw.choice(found).span()
    known = words if words and draw.random() < 0.4 else VALUES
    return data[:start] + draw.choice(known) + data[end:]


def _cut(draw, data, others, words):
    start = draw.randint(0, len(data))
    return data[:start] + data[start + draw.choice((1, 2, 5, 20, 100)) :]


def _end(draw, data, others, words):
    return data[: draw.randint(0, len(data))]


def _repeat(draw, data, others, words):
    start = draw.randint(0, len(data))
    piece = data[start : start + draw.choice((1, 3, 10, 60))]
    return data[:start] + piece * draw.choice((2, 2, 3, 50, 1000)) + data[start + len(piece) :]


def _splice(draw, data, others, words):
    other = draw.choice(others)
    return data[: draw.randint(0, len(data))] + other[draw.randint(0, len(other)) :]


def _lines(draw, data, others, words):
    """A line twice, or in another place."""
    lines = data.split(b"\n")
    line = draw.choice(lines)
    if draw.random() < 0.5:
        lines.remove(line)
    lines.insert(draw.randint(0, len(lines)), line)
    return b"\n".join(lines)


def _nest(draw, data, others, words):
    at = draw.randint(0, len(data))
    return data[:at] + draw.choice(_NESTS) * draw.choice((3, 30, 60, 300, 3000)) + data[at:]


_WAYS = [_flip, _insert, _insert, _value, _value, _value, _cut, _end, _repeat, _splice, _lines, _nest]

# ---- archives


def a_zip(members):
    """A zip of (name, bytes); a name may come twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made._didModify = True
        for name, data in members:
            made.NameToInfo.pop(name, None)  # or it would warn
            made.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def a_tar(members, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as made:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def packed(data):
    return gzip.compress(data, 1)
