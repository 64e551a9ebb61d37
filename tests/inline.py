"""An engine without processes of its own, for tests that watch or change a measure."""

from importlib import import_module

from haiga.curation.engines import measure_shard
from haiga.curation.engines.shards import Tried
from haiga.curation.engines.worker import RAISED, REFUSED, attempt
from haiga.errors import StoreError
from haiga.store import PictureFiles


def inline(shards):
    for shard in shards:
        yield measure_shard(shard, _attempts(shard))


def _attempts(shard):
    module, _, name = shard.measure.partition(":")
    files = PictureFiles(shard.pictures)

    def attempts(ids):
        for id_ in ids:
            said, what = attempt(getattr(import_module(module), name), files, id_)
            if said == REFUSED:
                raise StoreError(what)
            yield Tried({"error": what}, raised=True) if said == RAISED else Tried(what)

    return attempts
