"""The floating world: scenes, the prints of them, the poets who write about them.

A seed makes the same world again and again. Whoever changes what it makes raises the version here:
data folders made by another version are then noticed, by name, instead of being gone on with.
"""

from typing import Final

PRINTER_VERSION: Final = 1
"""Of scenes, prints and their faults."""
CAPTIONS_VERSION: Final = 1
"""Of the words that come with a print: `describe`, `tags`. The poets count as changed, too."""
POETS_VERSION: Final = 2
"""Of everything that the poets write."""
