"""Golden files of the dataset layer: small sources in every format and what Pillow makes of them.

Made with numpy 2.4.6, pillow 13.0.0, pyarrow 26.0.1, safetensors 0.8.0 (Python 3.11), seed 20240607.

    python make.py            # writes beside itself

uniform.parquet     Hugging Face's layout: 8 RGB images of 16x16, JPEG (4:2:0 and 4:4:4) and PNG in turn, `img` {bytes, path},
                    int64 `label`, text `source` and int `number`, class names in the schema metadata, row groups of 3
mixed.parquet       images of different sizes and modes: RGB and grey JPEG, RGBA, palette, grey+alpha, 1-bit and 16-bit grey PNG
pixels.{npz,safetensors,csv}  the same 6 grey images of 5x5 (two splits in the first two), different axis orders
expected.safetensors  `uniform`, `mixed.<row>`: Image.convert of the decoded file; `resized.<row>.<mode>.<height>x<width>`:
                    Image.convert(mode).resize(BILINEAR); `float.<h>x<w>`: the same on a mode F image in [0, 1]
"""

import csv
import io
import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(20240607)
SIZES = [(16, 16), (7, 9), (24, 20), (5, 33)]


def picture(height, width):
    """Smooth colours with some noise, as photographs have."""
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for _ in range(3):
        a, b, c = RNG.uniform(-0.4, 0.4, 2).tolist() + [RNG.uniform(0, 6)]
        planes.append(127 + 90 * np.sin(a * y + b * x + c) + RNG.normal(0, 6, (height, width)))
    return Image.fromarray(np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8), "RGB")


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def table(files, labels, names, extra):
    image = pa.array([{"bytes": data, "path": f"{i}.bin"} for i, data in enumerate(files)],
                     pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    columns = {"img": image, "label": pa.array(labels, pa.int64()), **extra}
    features = {"img": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    made = pa.table(columns)
    return made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


expected = {}

uniform = []
for i in range(8):
    image = picture(16, 16)
    options = [("JPEG", dict(quality=90, subsampling=2)), ("PNG", {}), ("JPEG", dict(quality=90, subsampling=0))][i % 3]
    uniform.append(encoded(image, options[0], **options[1]))
labels = [0, 1, 2, 0, 1, 2, 0, 0]
extra = {"source": pa.array(["web", "web", "lab", None, "lab", "web", "lab", "web"]), "number": pa.array(range(8), pa.int32())}
pq.write_table(table(uniform, labels, ["cat", "dog", "deer"], extra), HERE / "uniform.parquet", row_group_size=3, compression="zstd")
expected["uniform"] = np.stack([np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in uniform])

deep = Image.fromarray((np.asarray(picture(9, 11).convert("L")).astype(np.uint16) * 257))
mixed = [
    ("RGB", encoded(picture(20, 30), "JPEG", quality=85)),
    ("L", encoded(picture(13, 17).convert("L"), "JPEG", quality=95)),
    ("RGB", encoded(picture(12, 12).convert("RGBA"), "PNG")),
    ("RGB", encoded(picture(10, 14).quantize(16), "PNG")),
    ("L", encoded(picture(8, 8).convert("LA"), "PNG")),
    ("L", encoded(picture(11, 9).convert("1"), "PNG")),
    ("L16", encoded(deep, "PNG")),
    ("RGB", encoded(picture(33, 21), "JPEG", quality=80, progressive=True)),
]
pq.write_table(table([data for _, data in mixed], [0, 1, 0, 1, 0, 1, 0, 1], ["a", "b"], {}), HERE / "mixed.parquet")
for row, (mode, data) in enumerate(mixed):
    image = Image.open(io.BytesIO(data))
    if mode == "L16":
        image = Image.fromarray((np.asarray(image).astype(np.uint32) // 257).astype(np.uint8))
        mode = "L"
    image = image.convert(mode)
    expected[f"mixed.{row}"] = np.asarray(image).reshape(image.height, image.width, -1)
    if row in (2, 3, 5):  # PNG: no tolerance needed
        for target in ("RGB", "L"):
            for height, width in SIZES:
                resized = image.convert(target).resize((width, height), Image.Resampling.BILINEAR)
                expected[f"resized.{row}.{target}.{height}x{width}"] = np.asarray(resized).reshape(height, width, -1)

grey = np.stack([np.asarray(picture(5, 5).convert("L")) for _ in range(6)])
answers = np.array([3, 0, 1, 0, 2, 1])
np.savez_compressed(HERE / "pixels.npz", x_train=grey[:4], y_train=answers[:4].astype(np.uint8), x_test=grey[4:], y_test=answers[4:, None])
save_file({"train_images": grey[:4, None].copy(), "train_labels": answers[:4].astype(np.int32),
           "test_images": grey[4:, None].copy(), "test_labels": answers[4:]}, HERE / "pixels.safetensors")
with open(HERE / "pixels.csv", "w", newline="") as out:
    rows = csv.writer(out)
    rows.writerow(["label", "split", "note"] + [f"pixel{i}" for i in range(25)])
    for i in (4, 0, 5, 1, 2, 3):  # splits interleaved
        rows.writerow([answers[i], "train" if i < 4 else "test", f"n{i}", *grey[i].ravel()])
expected["pixels"] = grey[..., None]

unit = (grey[0] / 255).astype(np.float32)
for height, width in SIZES[1:]:
    expected[f"float.{height}x{width}"] = np.asarray(Image.fromarray(unit).resize((width, height), Image.Resampling.BILINEAR))
expected["float"] = unit

save_file({name: np.ascontiguousarray(value) for name, value in expected.items()}, HERE / "expected.safetensors")
