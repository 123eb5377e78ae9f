"""The landing zone: where source files arrive. A folder, or a prefix of an S3 bucket, behind one interface."""

from o9_assets.resources.landing_zone.folder import FolderZone
from o9_assets.resources.landing_zone.objects import BadName, LandedObject, LandingZone, ObjectChanged, Spooled
from o9_assets.resources.landing_zone.s3 import S3Zone

__all__ = ["BadName", "FolderZone", "LandedObject", "LandingZone", "ObjectChanged", "S3Zone", "Spooled"]
