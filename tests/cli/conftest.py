"""What tests of several commands share."""

import sys
import types

import pytest


@pytest.fixture
def loaded(monkeypatch):
    """Puts an encoder in the place of every model and records what was asked for."""
    calls = []

    def use(encoder):
        module = types.ModuleType("lealla_tf.inference.loading")
        module.load_sentence_encoder = lambda model, preprocessor="": calls.append((model, preprocessor)) or encoder
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return calls

    return use
