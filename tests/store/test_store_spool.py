import io

from hypothesis import given, settings
from hypothesis import strategies as st

from haiga.records import Answer, Group, Picture, assistant, user
from haiga.store.spool import Spool

GROUPS = st.lists(
    st.tuples(st.sampled_from(["", "a", "b", "ab"]), st.sampled_from(["c", "d"])), max_size=12
)


@settings(deadline=None)
@given(GROUPS)
def test_groups_with_the_same_pictures_share_a_row_in_the_order_of_the_first(drawn):
    groups = [
        Group(
            id=f"g{at}",
            prompt=(user("what?"),),
            answers=(Answer((assistant(f"é {at}"),)),),
            pictures=tuple(map(Picture, shown)),
            cluster=cluster,
            meta={"n": 1},
        )
        for at, (shown, cluster) in enumerate(drawn)
    ]
    wanted = {}
    for at, (shown, cluster) in enumerate(drawn):
        wanted.setdefault((shown or at, cluster), []).append(f"g{at}")
    rows = Spool(io.BytesIO(), groups)
    assert [[group["id"] for group in row["groups"]] for row in rows] == list(wanted.values())
    assert [row["id"] for row in rows] == [ids[0] for ids in wanted.values()]
    assert len(rows) == len(wanted)
    for row in reversed(rows):
        assert row["meta"] == '{"n": 1}'
        for group in row["groups"]:
            said = group["answers"][0]["messages"][0]["content"][0]["text"]
            assert said == f"é {group['id'][1:]}"
