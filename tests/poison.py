"""A measure that does what the picture says, in whatever process it is asked."""

import os
import signal
import time
from pathlib import Path

from haiga.store import PictureFiles


def measure(data):
    if log := os.environ.get("MEASURED_LOG"):
        with Path(log).open("a") as file:
            file.write(data.decode() + "\n")
    word, _, rest = data.decode().partition(" ")
    if word == "raise":
        raise RuntimeError("a strange picture")
    if word == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "exit":
        os._exit(3)
    if word == "hang":
        time.sleep(60)
    if word == "slow":
        time.sleep(float(rest.split()[0]))
    if word == "unreadable":
        return {"error": "It cannot be read."}
    if word == "needs":
        return {"error": "It cannot be read here.", "needs": "a reader"}
    if word == "print":
        print("a decoder speaks")
    return {"said": data.decode()}


def add(folder, words):
    """Pictures that hold these words; their ids."""
    files = PictureFiles(folder)
    return [files.add(each.encode(), ".png") for each in words]


def counted(path):
    """What was measured so far, in order."""
    return path.read_text().splitlines() if path.exists() else []


def once(data):
    """The first process that sees the mark makes it, and ends."""
    word, _, mark = data.decode().partition(" ")
    if word == "once" and not Path(mark).exists():
        Path(mark).touch()
        os._exit(3)
    return {"said": word}


def process(data):
    """Who measures."""
    with Path(os.environ["MEASURED_LOG"]).open("a") as file:
        file.write(f"{os.getpid()}\n")
    return {}
