#!/usr/bin/env python3
"""Writes scikit-learn's digits (1797 grey images of 8x8) as an .npz with a train and a test split.

    digits.py OUTPUT.npz [--wheel FILE.whl]

The data is read out of the scikit-learn wheel (fetched with pip when not given); neither scikit-learn nor numpy is
imported, so that Python and pip are enough. Values 0..16 become u8 0..255. Every fifth image of a class, in the order of
the file, is a test image: the split depends on nothing else.
"""

import argparse
import csv
import glob
import gzip
import io
import struct
import subprocess
import sys
import tempfile
import zipfile

SCIKIT_LEARN = "1.7.2"
MEMBER = "sklearn/datasets/data/digits.csv.gz"
SIDE = 8
LARGEST = 16
TEST_EVERY = 5


def fetch_wheel(folder):
    """Path of a downloaded scikit-learn wheel."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    which = ["--no-deps", "--python-version", "3.11", "--only-binary=:all:", "--platform", "manylinux2014_x86_64"]
    subprocess.run([*pip, *which, "-d", folder, f"scikit-learn=={SCIKIT_LEARN}"], check=True)
    return glob.glob(f"{folder}/scikit_learn-*.whl")[0]


def read_digits(wheel):
    """(64 pixel values 0..16, label) of each image, in the order of the file."""
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read(MEMBER)).decode("ascii")
    for row in csv.reader(io.StringIO(text)):
        values = [int(float(value)) for value in row]
        yield values[:-1], values[-1]


def split(digits):
    """{'train': [...], 'test': [...]}"""
    seen = {}
    splits = {"train": [], "test": []}
    for pixels, label in digits:
        seen[label] = seen.get(label, 0) + 1
        splits["test" if seen[label] % TEST_EVERY == 0 else "train"].append((pixels, label))
    return splits


def npy(dtype, shape, data):
    """An array in numpy's file format, version 1.0."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape!r}, }}"
    padding = -(10 + len(header) + 1) % 64
    header = header + " " * padding + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode("ascii") + data


def write(path, splits):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, digits in splits.items():
            pixels = bytes(round(value * 255 / LARGEST) for pixels, _ in digits for value in pixels)
            labels = struct.pack(f"<{len(digits)}q", *(label for _, label in digits))
            shape = (len(digits), SIDE, SIDE, 1)
            archive.writestr(f"{name}_images.npy", npy("|u1", shape, pixels))
            archive.writestr(f"{name}_labels.npy", npy("<i8", (len(digits),), labels))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output")
    parser.add_argument("--wheel", help="a scikit-learn wheel that is here already")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        splits = split(read_digits(arguments.wheel or fetch_wheel(folder)))
    write(arguments.output, splits)
    print(", ".join(f"{name} {len(digits)}" for name, digits in splits.items()))


if __name__ == "__main__":
    main()
