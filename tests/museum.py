"""The Metropolitan Museum on loopback: its table, its API, and the network in front of it."""

from __future__ import annotations

import csv
import io
import json

from loopback import send
from made import picture

PAGE = b"<html>Request unsuccessful. Incapsula incident ID: 1</html>"
HEADER = (
    "Object Number,Is Highlight,Is Timeline Work,Is Public Domain,Object ID,Gallery Number,"
    "Department,AccessionYear,Object Name,Title,Culture,Period,Dynasty,Reign,Portfolio,"
    "Constituent ID,Artist Role,Artist Prefix,Artist Display Name,Artist Display Bio,"
    "Artist Suffix,Artist Alpha Sort,Artist Nationality,Artist Begin Date,Artist End Date,"
    "Artist Gender,Artist ULAN URL,Artist Wikidata URL,Object Date,Object Begin Date,"
    "Object End Date,Medium,Dimensions,Credit Line,Geography Type,City,State,County,Country,"
    "Region,Subregion,Locale,Locus,Excavation,River,Classification,Rights and Reproduction,"
    "Link Resource,Object Wikidata URL,Metadata Date,Repository,Tags,Tags AAT URL,"
    "Tags Wikidata URL"
)
COLUMNS = next(csv.reader([HEADER]))
PRINT = {
    "Object Number": "JP1847",
    "Is Timeline Work": "True",
    "Is Public Domain": "True",
    "Department": "Asian Art",
    "Object Name": "Print",
    "Culture": "Japan",
    "Classification": "Prints",
    "Medium": "Polychrome woodblock print; ink and color on paper",
    "Dimensions": "Image: 10 1/8 in.\r\n(25.7 cm)",
}


def table_of(path, rows, columns=COLUMNS, mark="\ufeff"):
    """Write MetObjects.csv with these rows; what they leave out is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes((mark + text.getvalue()).encode())
    return path


def told(url, n, **change):
    """An object as the API gives it, in the fields that matter and some that do not."""
    return {
        "objectID": n,
        "isPublicDomain": True,
        "accessionNumber": "JP1847",
        "primaryImage": f"{url}/original/{n}.jpg",
        "primaryImageSmall": f"{url}/web-large/{n}.jpg",
        "additionalImages": [],
        "constituents": None,
        "title": f"Under the Wave {n}",
        "artistDisplayName": "Hokusai &amp; Son",
        "objectDate": "ca. 1830–32",
        "medium": "Polychrome woodblock print",
        "creditLine": "H. O. Havemeyer Collection",
        "culture": "Japan",
        "period": "",
        "classification": "Prints",
        "objectURL": f"https://www.metmuseum.org/art/collection/search/{n}",
        "tags": [{"term": "Waves", "AAT_URL": "", "Wikidata_URL": ""}],
        "linkResource": "",
        **change,
    }


def send_json(handler, value, status=200):
    send(handler, json.dumps(value).encode(), status, "application/json")


def block(handler, status=403):
    send(handler, PAGE, status, "text/html; charset=utf-8")


class Museum:
    """A server with `prints` objects, all in order until a test says otherwise."""

    def __init__(self, served, prints, side=96):
        self.served, self.url = served, served.url
        for n in range(prints):
            data = picture(n, "JPEG", side)
            self.object(n)
            served.routes[f"/web-large/{n}.jpg"] = lambda h, t, data=data: send(h, data)

    def object(self, n, **change):
        answer = told(self.url, n, **change)
        self.served.routes[f"/v1/objects/{n}"] = lambda h, t: send_json(h, answer)

    def paths(self):
        return [path for path, _ in self.served.asked]
