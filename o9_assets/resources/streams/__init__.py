"""Streams: one reader interface over Kinesis and Kafka, and how a reader is made for a stream of the settings."""

from o9_assets.resources.streams.open import open_reader
from o9_assets.resources.streams.reader import Lag, Part, Partition, Reader, Record, StreamUnavailable

__all__ = ["Lag", "Part", "Partition", "Reader", "Record", "StreamUnavailable", "open_reader"]
