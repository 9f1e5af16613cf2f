"""The file itself, read by a reader of its own: no ONNX package is needed to write it."""

import struct

import numpy
import pytest

import lucid
from lucid import nn
from lucid.onnx.protobuf import Message
from tests.onnx.running import exported


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """{number: [values]} of a message: ints, floats, or bytes."""
    found, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 5:
            (value,), at = struct.unpack_from("<f", data, at), at + 4
        else:
            size, at = varint(data, at)
            value, at = data[at : at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


@pytest.mark.parametrize("n", [0, 1, 127, 128, 300, (1 << 63) - 1, -1, -(1 << 63)])
def test_an_integer_is_a_varint_of_64_bits(n):
    (value,) = fields(bytes(Message().add(1, n)))[1]
    assert (value - (1 << 64) if value >= 1 << 63 else value) == n


def test_the_wire_format_is_the_documented_one():
    # The examples of Protocol Buffers' documentation: 150, "testing", and a message in a message.
    assert bytes(Message().add(1, 150)) == b"\x08\x96\x01"
    assert bytes(Message().add(2, "testing")) == b"\x12\x07testing"
    assert bytes(Message().add(3, Message().add(1, 150))) == b"\x1a\x03\x08\x96\x01"
    assert bytes(Message().packed(6, [3, 270, 86942])) == b"\x32\x06\x03\x8e\x02\x9e\xa7\x05"
    assert bytes(Message().add(1, None).add(2, [True, 2])) == b"\x10\x01\x10\x02"


def test_a_model_file_holds_version_opset_nodes_and_signature():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    content = exported(model, lucid.ones(4, 3), dynamic_axes={"input": {0: "batch"}})
    file = fields(content)
    assert file[1] == [8] and file[2] == [b"lucid"] and fields(file[8][0])[2] == [17]
    graph = fields(file[7][0])
    nodes = [fields(node) for node in graph[1]]
    assert [node[4] for node in nodes] == [[b"Gemm"], [b"Relu"], [b"Identity"]]
    assert nodes[0][1] == [b"input", b"0.weight", b"0.bias"]
    assert nodes[1][3] == [b"1/Relu"] and nodes[2][2] == [b"output"]
    (name,), (kind,) = fields(graph[11][0])[1], fields(graph[11][0])[2]
    shape = fields(fields(fields(kind)[1][0])[2][0])[1]
    assert name == b"input" and [fields(d) for d in shape] == [{2: [b"batch"]}, {1: [3]}]


def test_weights_are_under_their_names_bit_for_bit():
    model = nn.Sequential(nn.Linear(3, 2))
    graph = fields(fields(exported(model, lucid.ones(1, 3)))[7][0])
    tensors = {t[8][0].decode(): t for t in map(fields, graph[5])}
    assert set(tensors) == {"0.weight", "0.bias"}
    weight = tensors["0.weight"]
    assert weight[1] == [b"\x02\x03"] and weight[2] == [1]  # (2, 3), float32
    values = numpy.frombuffer(weight[9][0], "<f4").reshape(2, 3)
    assert (values == model[0].weight.detach().numpy()).all()


def test_a_weight_that_two_layers_share_is_stored_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    graph = fields(fields(exported(model, lucid.ones(1, 3)))[7][0])
    assert sorted(fields(t)[8][0] for t in graph[5]) == [b"0.bias", b"0.weight", b"1.bias"]


def test_dropout_leaves_no_node(device):
    model = nn.Sequential(nn.Dropout(), nn.AlphaDropout(), nn.Dropout2d(), nn.Tanh())
    graph = fields(fields(exported(model, lucid.ones(1, 3, 2, 2)))[7][0])
    assert [fields(node)[4] for node in graph[1]] == [[b"Tanh"], [b"Identity"]]


def test_what_no_output_needs_is_left_out():
    class Model(nn.Module):
        def forward(self, x):
            x.exp()
            return x.sin()

    graph = fields(fields(exported(Model(), lucid.ones(2)))[7][0])
    assert [fields(node)[4][0] for node in graph[1]] == [b"Sin", b"Identity"]


def test_a_file_is_the_same_each_time():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.GELU())
    x = lucid.randn(1, 1, 5, 5)
    assert exported(model, x) == exported(model, x)


def test_weights_on_cuda_are_written_like_those_on_the_cpu(device):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.SELU(), nn.Flatten())
    x = lucid.ones(1, 1, 5, 5)
    content = exported(model, x)
    assert content == exported(model.cpu(), x.cpu())
