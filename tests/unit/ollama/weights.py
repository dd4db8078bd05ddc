"""A GGUF file small enough for a test."""

import struct
from pathlib import Path


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def a_gguf_file(path: Path, payload: bytes = b"weights" * 1000) -> Path:
    pairs = [
        text("general.architecture") + struct.pack("<I", 8) + text("gemma3"),
        text("general.file_type") + struct.pack("<II", 4, 15),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bb"),
        text("tokenizer.ggml.scores") + struct.pack("<IIQff", 9, 6, 2, 0.5, 1.5),
    ]
    tensors = [
        text("token_embd.weight") + struct.pack("<IQQIQ", 2, 640, 1000, 12, 0),
        text("output_norm.weight") + struct.pack("<IQIQ", 1, 640, 0, 0),
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    path.write_bytes(head + b"".join(pairs) + b"".join(tensors) + payload)
    return path
