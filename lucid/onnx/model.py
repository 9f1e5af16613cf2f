"""A Graph as ONNX's ModelProto. Field numbers are those of onnx.proto."""

from __future__ import annotations

from typing import Any

from lucid import dtypes
from lucid.errors import ExportError
from lucid.onnx.graph import Graph, Node
from lucid.onnx.protobuf import Message
from lucid.tensor import Tensor
from lucid.version import __version__

__all__ = ["IR_VERSIONS", "element_type", "model_proto"]

IR_VERSIONS = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10}  # by opset
_LARGEST = (1 << 31) - 1  # bytes; Protocol Buffers' own limit

# TensorProto.DataType
_ELEMENT_TYPES = {
    "float32": 1, "uint8": 2, "int8": 3, "int16": 5, "int32": 6, "int64": 7, "bool": 9,
    "float16": 10, "float64": 11, "bfloat16": 16,
}  # fmt: skip
# AttributeProto.AttributeType, and the field that holds such a value
_FLOAT, _INT, _STRING, _FLOATS, _INTS = (1, 2), (2, 3), (3, 4), (6, 7), (7, 8)


def element_type(dtype: Any) -> int:
    """ONNX's number of a dtype: NumPy's, or its name."""
    return _ELEMENT_TYPES[dtype if isinstance(dtype, str) else dtypes.of(dtype).name]


def model_proto(
    graph: Graph, inputs: list[tuple[str, Any, list]], outputs: list[tuple[str, Any, list]]
) -> Message:
    """The whole model. Inputs and outputs: (name, dtype, sizes, where a str names a free one)."""
    body = Message()
    body.add(1, [_node(node) for node in graph.nodes])
    body.add(2, "lucid")
    body.add(5, [_tensor(name, tensor) for name, tensor in graph.constants.items()])
    body.add(11, [_value_info(*about) for about in inputs])
    body.add(12, [_value_info(*about) for about in outputs])
    opset = Message().add(1, "").add(2, graph.opset)
    model = Message().add(1, IR_VERSIONS[graph.opset]).add(2, "lucid").add(3, __version__)
    model.add(7, body).add(8, opset)
    if model.size > _LARGEST:
        raise ExportError(
            f"onnx.export: a file can hold 2 GiB; got {model.size} bytes. Hint: export in halves,"
            " after model.half()"
        )
    return model


def _node(node: Node) -> Message:
    message = Message().add(1, list(node.inputs)).add(2, list(node.outputs))
    message.add(3, node.name).add(4, node.type)
    return message.add(5, [_attribute(k, v) for k, v in node.attributes.items()])


def _attribute(name: str, value: Any) -> Message:
    message = Message().add(1, name)
    if isinstance(value, float):
        kind, field = _FLOAT
    elif isinstance(value, int):
        kind, field, value = *_INT, int(value)
    elif isinstance(value, str):
        kind, field = _STRING
    else:
        value = list(value)
        floats = bool(value) and isinstance(value[0], float)
        kind, field = _FLOATS if floats else _INTS
    return message.add(field, value).add(20, kind)


def _tensor(name: str, tensor: Tensor) -> Message:
    host = tensor._device.to_numpy(tensor._array)
    kind = host.dtype.newbyteorder("<") if host.dtype.kind in "iuf" else host.dtype
    raw = host.astype(kind, order="C", copy=False).reshape(-1).view("uint8")  # raw_data's order
    message = Message().packed(1, host.shape) if host.ndim else Message()
    message.add(2, element_type(host.dtype)).add(8, name)
    return message.add(9, raw.data if raw.size else b"")


def _value_info(name: str, dtype: Any, sizes: list[int | str]) -> Message:
    shape = Message()
    for size in sizes:
        shape.add(1, Message().add(2 if isinstance(size, str) else 1, size))
    tensor = Message().add(1, element_type(dtype)).add(2, shape)
    return Message().add(1, name).add(2, Message().add(1, tensor))
