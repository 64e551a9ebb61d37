import pytest
from training_fakes import small_logps

from haiga.training.forward import COLUMNS


@pytest.fixture
def small_column(monkeypatch):
    """`token_logps` of the small model, in place of the shared-prefix forward."""
    monkeypatch.setitem(COLUMNS, "token_logps", small_logps)
