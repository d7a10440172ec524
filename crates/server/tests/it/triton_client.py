"""Asks a live server by the client of the protocol and compares every answer with the formula of the test's model.

Prints the id of the last prediction. The argument is the server's address.
"""

import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(sys.argv[1])
CODES = {"UA": 0, "AA": 1}


def tensor(name, values, datatype, binary, shape=None):
    values = np.array(values, dtype=object if datatype == "BYTES" else triton_type(datatype))
    values = values.reshape(shape or values.shape)
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def triton_type(datatype):
    return {"FP32": np.float32, "FP64": np.float64, "INT16": np.int16}[datatype]


def expected(distance, carrier, delay):
    return [d / 1e4 + CODES[c] / 10 + m / 100 for d, c, m in zip(distance, carrier, delay)]


def check(result, scores, version="3"):
    np.testing.assert_allclose(result.as_numpy("score"), scores, rtol=1e-6)
    np.testing.assert_array_equal(result.as_numpy("predicted"), np.array(scores) >= 0.5)
    response = result.get_response()
    assert response["model_name"] == "delay" and response["model_version"] == version, response


assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("delay")
assert client.is_model_ready("delay", "3") and not client.is_model_ready("delay", "4")
assert not client.is_model_ready("other")
assert client.get_server_metadata()["name"] == "baton"
metadata = client.get_model_metadata("delay")
assert [tensor["name"] for tensor in metadata["inputs"]] == ["distance", "carrier", "mean_delay"], metadata
assert client.get_model_repository_index() == [{"name": "delay", "version": "3", "state": "READY", "reason": ""}]

distance, carrier, delay = [100, 2400, 5000], ["UA", "AA", "AA"], [1.5, 2.5, 3.5]
for binary in (True, False):
    inputs = [
        tensor("distance", distance, "INT16", binary),
        tensor("carrier", carrier, "BYTES", binary, (3, 1)),
        tensor("mean_delay", delay, "FP32", binary),
    ]
    # The client's default asks for all outputs in binary.
    check(client.infer("delay", inputs), expected(distance, carrier, delay))
    for packed in ("gzip", "deflate"):
        result = client.infer(
            "delay", inputs, request_compression_algorithm=packed, response_compression_algorithm=packed
        )
        check(result, expected(distance, carrier, delay))
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("predicted", "score", "prediction_id")]
    result = client.infer("delay", inputs, outputs=outputs, model_version="3")
    check(result, expected(distance, carrier, delay))
    assert len({bytes(id) if isinstance(id, bytes) else id for id in result.as_numpy("prediction_id")}) == 3

for name, value, reason in [
    ("delay", [tensor("distance", [1.0], "FP64", True)], "carrier"),
    ("other", [tensor("distance", [1.0], "FP64", True)], "there is no endpoint `other`"),
]:
    try:
        client.infer(name, value)
        raise AssertionError(f"{name} answered")
    except InferenceServerException as error:
        assert reason in error.message(), error

# By entity key: the delay is looked up.
keys = [tensor("carrier", ["AA"], "BYTES", True), tensor("distance", [1000.0], "FP64", True)]
result = client.infer("delay", keys, request_id="call-1")
check(result, expected([1000], ["AA"], [25.0]))
assert result.get_response()["id"] == "call-1"
print(result.get_response()["parameters"]["prediction_ids"])
