"""The libraries keep quiet in tests as they do under the command line."""

from haiga.cli import quiet

quiet()
