"""The commands and their options, frozen: a change here is a change for everyone who types them."""

from typer.main import get_command

from haiga.cli import app

RUN = ["recipe", "--set", "--workdir"]
COMMANDS = {
    "run": [*RUN, "--dry-run", "--rebuild"],
    "check": ["recipe", "--set"],
    "plan": ["recipe", "--set"],
    "curate": [*RUN, "--dry-run", "--rebuild"],
    "teach": [*RUN, "--estimate"],
    "audit": RUN,
    "rows": ["recipe", "folder", "--set", "--workdir"],
    "train": [*RUN, "--dry-run", "--rebuild"],
    "evaluate": [*RUN, "--estimate"],
    "label": [*RUN, "--by", "--count", "--port"],
    "report": RUN,
    "write": [
        *("model", "pictures", "--task", "--language"),
        *("--best-of", "--by", "--encoder", "--scores"),
    ],
    "app": ["models", "--port"],
    "export": ["model", "folder"],
    "benchmark": ["model", "name", "folder", "--set"],
    "assign": ["documents", "folder", "--tower", "--form", "--to", "--method", "--minimum"],
}


def test_commands_and_options_are_these():
    found = {
        name: [option for parameter in command.params for option in parameter.opts]
        for name, command in get_command(app).commands.items()
    }
    assert found == COMMANDS


def test_every_command_and_option_says_what_it_does():
    for name, command in get_command(app).commands.items():
        assert command.help, name
        for parameter in command.params:
            assert parameter.help, (name, parameter.name)
