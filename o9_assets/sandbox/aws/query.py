"""The query protocols of AWS (query and ec2): flat form fields in, wrapped XML out."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Mapping
from typing import Any

from botocore.model import OperationModel
from botocore.utils import parse_timestamp

__all__ = ["cbor_map", "inside", "parse", "wrapped"]


def parse(shape: Any, form: Mapping[str, str], protocol: str) -> dict[str, Any]:
    """The parameters that the form's fields spell: `Filter.1.Name=x` and so on. Raises ValueError."""
    tree: dict[str, Any] = {}
    for name, value in form.items():
        if name in ("Action", "Version"):
            continue
        at = tree
        *path, last = name.split(".")
        for part in path:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                raise ValueError(f"{name} is both a value and more")
        at[last] = value
    found = _value(shape, tree, protocol)
    return dict(found)


def _value(shape: Any, node: Any, protocol: str) -> Any:
    match shape.type_name:
        case "structure":
            if node == "":
                return {}
            found = {}
            for name, member in shape.members.items():
                wire = _name(member, name, protocol)
                if member.type_name == "list" and member.serialization.get("flattened") and protocol == "query":
                    wire = member.member.serialization.get("name", wire)
                if wire in node:
                    found[name] = _value(member, node[wire], protocol)
            return found
        case "list":
            if node == "":
                return []
            if protocol == "query" and not shape.serialization.get("flattened"):
                node = node[shape.member.serialization.get("name", "member")]
            return [_value(shape.member, node[i], protocol) for i in sorted(node, key=int)]
        case "map":
            if node == "":
                return {}
            if not shape.serialization.get("flattened"):
                node = node["entry"]
            key, value = _name(shape.key, "key", protocol), _name(shape.value, "value", protocol)
            pairs = [node[i] for i in sorted(node, key=int)]
            return {p[key]: _value(shape.value, p.get(value, ""), protocol) for p in pairs}
        case "integer" | "long":
            return int(node)
        case "float" | "double":
            return float(node)
        case "boolean":
            if node not in ("true", "false"):
                raise ValueError(f"{node!r} is no boolean")
            return node == "true"
        case "blob":
            return base64.b64decode(node)
        case "timestamp":
            return parse_timestamp(node)
        case _:
            return node


def _name(shape: Any, default: str, protocol: str) -> str:
    if protocol == "ec2":
        if "queryName" in shape.serialization:
            return str(shape.serialization["queryName"])
        name = str(shape.serialization.get("name", default))
        return name[0].upper() + name[1:] if "name" in shape.serialization else name
    return str(shape.serialization.get("name", default))


_ROOT = re.compile(rb"^\s*(?:<\?xml[^>]*\?>)?\s*<[^>]*?(/?)>", re.S)


def inside(xml: bytes) -> bytes:
    """What the root element holds."""
    found = _ROOT.match(xml)
    if found is None or found[1]:
        return b""
    return xml[found.end() : xml.rindex(b"</")]


def wrapped(operation: OperationModel, content: bytes, protocol: str, request_id: str) -> bytes:
    """The answer's document around its content."""
    name, identity = operation.name.encode(), request_id.encode()
    if protocol == "ec2":
        return b"<%bResponse><requestId>%b</requestId>%b</%bResponse>" % (name, identity, content, name)
    shape = operation.output_shape
    wrapper = str((shape.serialization.get("resultWrapper") if shape else None) or f"{operation.name}Result").encode()
    result = b"<%b>%b</%b>" % (wrapper, content, wrapper)
    metadata = b"<ResponseMetadata><RequestId>%b</RequestId></ResponseMetadata>" % identity
    return b"<%bResponse>%b%b</%bResponse>" % (name, result, metadata, name)


def cbor_map(texts: Mapping[str, str]) -> bytes:
    """A CBOR map of texts."""
    if len(texts) > 23:
        raise ValueError("too many entries")
    return bytes([0xA0 | len(texts)]) + b"".join(_text(part) for pair in texts.items() for part in pair)


def _text(text: str) -> bytes:
    data = text.encode()
    return b"\x7a" + struct.pack(">I", len(data)) + data
