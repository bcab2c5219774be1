"""Six mistakes and what a generated client reads from each: code, ErrorInfo and the detail to act on, by grpc_status.

Usage: mistakes.py ADDRESS FOLDER    (FOLDER is one of the daemon's roots; the daemon has limits.upload_bytes = 65536)
Prints one line a mistake and ends with `mistakes: ok`.
"""

import pathlib
import sys

import grpc
from google.rpc import error_details_pb2 as details
from grpc_status import rpc_status

from flow import CLASSES, SIZE, Client, write_csv

UPLOAD_BYTES = 65536
Code = grpc.StatusCode


def refused(call, code, reason, kinds):
    """The call is refused with this code and reason, and with exactly these details beside ErrorInfo; answers them in order."""
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        status = rpc_status.from_call(error)
        assert (status.code, status.message) == (code.value[0], error.details()), status
    else:
        raise AssertionError(f"no error {reason}")
    assert len(status.details) == 1 + len(kinds), status
    found = []
    for kind in (details.ErrorInfo, *kinds):
        matching = [packed for packed in status.details if packed.Is(kind.DESCRIPTOR)]
        assert len(matching) == 1, (kind.DESCRIPTOR.name, status)
        found.append(kind())
        matching[0].Unpack(found[-1])
    info, *rest = found
    assert (info.domain, info.reason) == ("unlearnd", reason), info
    print("mistakes:", code.name, reason, "with", ", ".join(kind.DESCRIPTOR.name for kind in kinds) or "nothing else")
    return (info, *rest)


def prepare(client, folder):
    """A dataset and a model of it."""
    pb = client.pb
    write_csv(folder / "shapes.csv", 240, 1)
    client.datasets.RegisterDataset(
        pb["datasets"].RegisterDatasetRequest(dataset_id="shapes", uri=(folder / "shapes.csv").as_uri(), split="train"),
        wait_for_ready=True,
        timeout=60,
    )
    client.models.CreateModel(create_request(pb))


def create_request(pb):
    preprocessing = pb["models"].Preprocessing(height=SIZE, width=SIZE, channels=1, mean=[0.5], std=[0.5])
    return pb["models"].CreateModelRequest(
        model_id="shapes", architecture="small_cnn", class_count=3, class_names=CLASSES, preprocessing=preprocessing
    )


def unknown_model(client):
    request = client.pb["models"].GetModelRequest(name="models/nobody")
    info, resource = refused(
        lambda: client.models.GetModel(request), Code.NOT_FOUND, "RESOURCE_NOT_FOUND", [details.ResourceInfo]
    )
    assert (resource.resource_type, resource.resource_name) == ("model", "models/nobody"), resource
    assert info.metadata["resource_name"] == "models/nobody", info


def wrong_field(client):
    pb = client.pb
    poison = pb["unlearning"].PoisonSpec(
        model="models/shapes", train=pb["common"].DataSource(dataset="datasets/shapes"), forget={"classes": ["cross", "circle"]}
    )
    request = pb["unlearning"].PlanPoisoningRequest(poison=poison)
    info, bad = refused(
        lambda: client.unlearning.PlanPoisoning(request), Code.INVALID_ARGUMENT, "UNKNOWN_CLASS", [details.BadRequest]
    )
    assert [violation.field for violation in bad.field_violations] == ["poison.forget.classes[1]"], bad
    assert info.metadata["field"] == "poison.forget.classes[1]", info
    assert "circle" in bad.field_violations[0].description, bad


def taken_id(client):
    request = create_request(client.pb)
    _, resource = refused(
        lambda: client.models.CreateModel(request), Code.ALREADY_EXISTS, "RESOURCE_ALREADY_EXISTS", [details.ResourceInfo]
    )
    assert (resource.resource_type, resource.resource_name) == ("model", "models/shapes"), resource


def busy_model(client):
    pb = client.pb
    request = pb["unlearning"].FineTunePoisonedRequest(
        poison=pb["unlearning"].PoisonSpec(model="models/shapes", train=pb["common"].DataSource(dataset="datasets/shapes")),
        trainer=pb["unlearning"].TrainerSpec(scope="SCOPE_ALL", epochs=10000, learning_rate=1e-6, batch_size=16),
        method="METHOD_TRAIN",
    )
    running = client.unlearning.FineTunePoisoned(request)
    _, failure, bad, holder = refused(
        lambda: client.unlearning.FineTunePoisoned(request),
        Code.FAILED_PRECONDITION,
        "MODEL_BUSY",
        [details.PreconditionFailure, details.BadRequest, details.ResourceInfo],
    )
    assert [(it.type, it.subject) for it in failure.violations] == [("MODEL_BUSY", running.name)], failure
    assert [violation.field for violation in bad.field_violations] == ["poison.model"], bad
    assert (holder.resource_type, holder.resource_name) == ("job", running.name), holder
    client.operations.CancelOperation(pb["operations"].CancelOperationRequest(name=running.name))


def outdated_etag(client):
    pb = client.pb
    request = pb["models"].DeleteModelRequest(name="models/shapes", etag="read-long-ago")
    refused(lambda: client.models.DeleteModel(request), Code.ABORTED, "ETAG_MISMATCH", [details.ResourceInfo])
    assert client.models.GetModel(pb["models"].GetModelRequest(name="models/shapes")).etag != "read-long-ago"


def large_upload(client):
    upload = client.pb["datasets"].UploadDatasetRequest

    def parts():
        yield upload(header=upload.Header(dataset_id="large", format="DATASET_FORMAT_CSV", split="train"))
        for _ in range(2):
            yield upload(chunk=b"0" * UPLOAD_BYTES)

    _, quota = refused(
        lambda: client.datasets.UploadDataset(parts(), timeout=60),
        Code.RESOURCE_EXHAUSTED,
        "UPLOAD_TOO_LARGE",
        [details.QuotaFailure],
    )
    assert str(UPLOAD_BYTES) in quota.violations[0].description, quota


def main(address, folder):
    client = Client(address)
    prepare(client, pathlib.Path(folder))
    for mistake in (unknown_model, wrong_field, taken_id, outdated_etag, large_upload, busy_model):
        mistake(client)
    print("mistakes: ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
