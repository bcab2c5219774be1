#!/usr/bin/env bash
# Fetches the CPU build of libtorch out of PyPI wheels into .libtorch (about ten seconds, 490 MB).
# Does nothing when it is there already, or when LIBTORCH names an existing build (a CUDA one, for example).
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TORCH=2.13.0 CUDA_RUNTIME=13.0.96 CUPTI=13.0.85
readonly destination=.libtorch

if [[ -n "${LIBTORCH:-}" ]]; then
    [[ -d "$LIBTORCH/lib" ]] || { echo "setup: LIBTORCH=$LIBTORCH has no lib folder; unset it or name a libtorch $TORCH" >&2; exit 1; }
    echo "setup: using LIBTORCH=$LIBTORCH"
    exit 0
fi
if [[ -f "$destination/build-version" && "$(cat "$destination/build-version")" == "$TORCH" ]]; then
    echo "setup: libtorch $TORCH is in $destination"
    exit 0
fi
python3 -m pip --version >/dev/null 2>&1 || { echo "setup: python3-pip is missing; run 'apt-get install python3-pip'" >&2; exit 1; }
[[ "$(uname -m)" == x86_64 ]] || { echo "setup: the wheels used here are for x86_64; set LIBTORCH to a libtorch $TORCH of your own" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "setup: fetching libtorch $TORCH (wheels of torch, nvidia-cuda-runtime, nvidia-cuda-cupti)"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --python-version 3.11 --only-binary=:all: -d "$work" \
    "torch==$TORCH" "nvidia-cuda-runtime==$CUDA_RUNTIME" "nvidia-cuda-cupti==$CUPTI"

python3 - "$work" "$destination.tmp" "$TORCH" <<'PY'
import glob, os, shutil, sys, zipfile
work, out, version = sys.argv[1:]
shutil.rmtree(out, ignore_errors=True)
os.makedirs(f"{out}/lib")

def take(wheel, wanted):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            target = wanted(name)
            if target:
                path = os.path.join(out, target)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with archive.open(name) as source, open(path, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)

libraries = {"libtorch_cpu.so", "libc10.so", "libgomp.so.1"}
def from_torch(name):
    if name.endswith("/"):
        return None
    if name.startswith("torch/include/"):
        return name.removeprefix("torch/")
    if name.startswith("torch/lib/") and os.path.basename(name) in libraries:
        return name.removeprefix("torch/")
    return None

def shared_object(stem):
    return lambda name: f"lib/{os.path.basename(name)}" if os.path.basename(name).startswith(stem) else None

take(glob.glob(f"{work}/torch-*.whl")[0], from_torch)
take(glob.glob(f"{work}/nvidia_cuda_runtime-*.whl")[0], shared_object("libcudart.so"))
take(glob.glob(f"{work}/nvidia_cuda_cupti-*.whl")[0], shared_object("libcupti.so"))
os.symlink("libtorch_cpu.so", f"{out}/lib/libtorch.so")
with open(f"{out}/build-version", "w") as handle:
    handle.write(version)
PY
rm -rf "$destination"
mv "$destination.tmp" "$destination"
echo "setup: done, $(du -sh "$destination" | cut -f1) in $destination"
