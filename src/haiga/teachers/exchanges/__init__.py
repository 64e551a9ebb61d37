"""More than one question about one picture: each a parser beside its words.

critique     a teacher finds what is wrong with its own text, and writes it again
preference   two texts are judged in both orders
hallucinate  one fact that the picture shows is changed in a text
"""

from haiga.teachers.exchanges.critique import Critique, Trace, critique
from haiga.teachers.exchanges.hallucinate import Change, hallucinate
from haiga.teachers.exchanges.preference import Preference, prefer

__all__ = [
    "Change",
    "Critique",
    "Preference",
    "Trace",
    "critique",
    "hallucinate",
    "prefer",
]
