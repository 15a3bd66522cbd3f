"""Everything that a run's next step depends on, as arrays by name."""

from typing import Any

import numpy as np

from lealla_tf.checkpoints import Weights, assign_weights, encoder_weights
from lealla_tf.errors import DataError
from lealla_tf.training.replicated_model import ReplicatedModel

Array = np.ndarray[Any, Any]

_ENCODER = "encoder/"


def read_state(model: ReplicatedModel) -> dict[str, Array]:
    """The state of a compiled model: weights, optimizer, and the seeds of the dropout.

    Names begin with `encoder/`, `optimizer/`, those of the model's `extra_weights`, or are `dropout_seeds`, in the
    order of the layers.  The moments carry the names of the weights that they belong to.
    """
    state = {f"{_ENCODER}{name}": value for name, value in encoder_weights(model.encoder).items()}
    state |= {name: variable.numpy() for name, variable in _others(model).items()}
    seeds = [variable.numpy() for variable in model.encoder.non_trainable_variables]
    return {**state, "dropout_seeds": np.array(seeds)}


def restore_state(model: ReplicatedModel, state: Weights, origin: str) -> None:
    """Gives a compiled model the state that `read_state` read.

    Raises:
        DataError: if the state is not that of such a model; names `origin`.
    """
    encoder = {name.removeprefix(_ENCODER): value for name, value in state.items() if name.startswith(_ENCODER)}
    assign_weights(model.encoder, encoder, origin)
    others = _others(model)
    seeds = model.encoder.non_trainable_variables
    expected = {*others, "dropout_seeds"}
    found = {name for name in state if not name.startswith(_ENCODER)}
    if expected != found or len(state["dropout_seeds"]) != len(seeds):
        differing = ", ".join(sorted(expected ^ found)[:3]) or "dropout_seeds"
        raise DataError(f"{origin}: is not a checkpoint of this run (differing: {differing}); name another --output.")
    for name, variable in others.items():
        if state[name].shape != tuple(variable.shape):
            raise DataError(
                f"{origin}: is not a checkpoint of this run ({name} has the shape {state[name].shape}, and here it "
                f"is {tuple(variable.shape)}); name another --output."
            )
        variable.assign(state[name])
    for variable, value in zip(seeds, state["dropout_seeds"], strict=True):
        variable.assign(value)


def _others(model: ReplicatedModel) -> dict[str, Any]:
    """The variables besides the encoder's, by name."""
    variables = {f"optimizer/{variable.path}": variable for variable in model.optimizer.variables}
    return variables | model.extra_weights
