"""The only writer of data files: stage folders, shards, manifests, and the pictures in them.

A folder with a manifest is complete; without one it is made again. The manifest is written last
and carries the fingerprint of what made it, so that a change is noticed and named.
"""

from haiga.store.chat import write_chat
from haiga.store.done import begin, complete, is_complete, spend
from haiga.store.embedded import FinalPictures
from haiga.store.files import digest, fingerprint, write_atomically
from haiga.store.final import read_groups, write_final
from haiga.store.folder import Folder, Writer
from haiga.store.manifest import Manifest, require_manifest
from haiga.store.parts import Parts, packed, write_part
from haiga.store.pictures import MissingPictureError, PictureFiles
from haiga.store.rows import Some
from haiga.store.suffix import suffix_of

__all__ = [
    "FinalPictures",
    "Folder",
    "Manifest",
    "MissingPictureError",
    "Parts",
    "PictureFiles",
    "Some",
    "Writer",
    "begin",
    "complete",
    "digest",
    "fingerprint",
    "is_complete",
    "packed",
    "read_groups",
    "require_manifest",
    "spend",
    "suffix_of",
    "write_atomically",
    "write_chat",
    "write_final",
    "write_part",
]
