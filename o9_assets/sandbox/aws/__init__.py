"""The offline twin of AWS. docs/sandbox.md says what stands in for what, and how real it is."""

from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.twin import Twin

__all__ = ["Call", "Fake", "ServiceError", "Twin"]
