"""More than one question about one picture: each a parser beside its words.

critique     a teacher finds what is wrong with its own text, and writes it again
preference   two texts are judged in both orders
hallucinate  one fact that the picture shows is changed in a text
claims       texts are taken apart, and every statement is checked against the picture
"""

from haiga.teachers.exchanges.base import Exchange, Held, Written
from haiga.teachers.exchanges.claims import Claims, claims, ranked
from haiga.teachers.exchanges.critique import Critique, Trace, critique, revised
from haiga.teachers.exchanges.hallucinate import Change, altered, hallucinate
from haiga.teachers.exchanges.preference import Preference, judged, prefer

EXCHANGES: dict[str, Exchange] = {
    "critique": Exchange(revised, takes=1, words=("critique", "doubts", "revise")),
    "preference": Exchange(judged, takes=2, words=("preference",)),
    "hallucinate": Exchange(altered, takes=1, words=("hallucinate",)),
    "claims": Exchange(ranked, takes=2, words=("claims", "check"), whole=True),
}
"""By the names that a recipe has for them."""

__all__ = [
    "EXCHANGES",
    "Change",
    "Claims",
    "Critique",
    "Exchange",
    "Held",
    "Preference",
    "Trace",
    "Written",
    "claims",
    "critique",
    "hallucinate",
    "prefer",
]
