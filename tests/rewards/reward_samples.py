"""Samples for the tests of rewards."""

from haiga.records import Answer, Group, assistant, user
from haiga.rewards import Sample

SCENE = {
    "id": "1", "season": "autumn", "hour": "night", "weather": "clear", "setting": "sea",
    "things": ["boat", "moon", "pine"],
}  # fmt: skip
POEM = "autumn on the sea\nthe old boat follows the moon\nout beyond the waves"


def sample(text=POEM, *, id="1", language="en", task="haiku", meta=None, pictures=(), data=None):
    group = Group(
        id=id,
        prompt=(user("Write."),),
        answers=(Answer((assistant(POEM),)),),
        pictures=pictures,
        task=task,
        language=language,
        meta={"scene": SCENE} if meta is None else meta,
    )
    return Sample(group, text, data or {})
