"""Generates the client from proto/ with grpcio-tools, as any user would, and imports it."""

import importlib
import pathlib
import sys
import tempfile

import grpc_tools
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


def generate():
    """Returns the generated modules of unlearnd.v1 and google.longrunning by short name."""
    folder = tempfile.mkdtemp(prefix="unlearnd-stubs-")
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    files = sorted(PROTO.glob("unlearnd/v1/*.proto"))
    arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    # google/ comes from googleapis-common-protos, except the operations service's stub.
    code = protoc.main(arguments + [str(file) for file in files])
    if code:
        raise SystemExit(f"protoc failed with {code}")
    sys.path.insert(0, folder)
    names = ["common", "models", "datasets", "attributions", "unlearning", "evaluations", "jobs", "system"]
    modules = {name: importlib.import_module(f"unlearnd.v1.{name}_pb2") for name in names}
    for name in names[1:]:
        modules[f"{name}_grpc"] = importlib.import_module(f"unlearnd.v1.{name}_pb2_grpc")
    modules["operations"] = importlib.import_module("google.longrunning.operations_pb2")
    modules["operations_grpc"] = importlib.import_module("google.longrunning.operations_pb2_grpc")
    return modules
