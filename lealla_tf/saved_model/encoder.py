"""The encoder as a SavedModel: token ids in, LaBSE's dictionary of outputs out; no text operators."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from lealla_tf.errors import UsageError
from lealla_tf.models.encoder import Encoder
from lealla_tf.saved_model.preprocessor import INPUT_NAMES

_INPUTS = {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in INPUT_NAMES}


class TrainableModule(tf.Module):
    """An object to save whose loaded form can be called, trained and served.

    * `module(inputs, training=False)`, with dropout where `training`;
    * `serve` and `serve_train`: the same without and with dropout, of one argument;
    * `variables`, `trainable_variables`, `regularization_losses`: lists;
    * `weights`: the trainable variables by name;
    * `normalized`: whether the embeddings are of unit length.

    It is a plain trackable: what is saved of a Keras model itself cannot be called.

    Args:
        encoder: Its variables are shared, not copied.
        compute: From `inputs` and `training`, a Python bool, to the outputs.
        inputs: The specification of the inputs.
        normalized: Recorded.

    Raises:
        UsageError: if Keras runs on another backend than TensorFlow.
    """

    # tf.Module has these as properties, which are not saved; lists are.
    variables: Any = None
    trainable_variables: Any = None

    def __init__(self, encoder: Encoder, compute: Callable[[Any, bool], Any], inputs: Any, normalized: bool) -> None:
        super().__init__()
        if keras.backend.backend() != "tensorflow":
            raise UsageError(f"Exporting needs Keras on TensorFlow. Received: KERAS_BACKEND={keras.backend.backend()}.")
        # Saving traces some of its functions anew; those are thin ones, around a function that it does not see.
        compute = tf.function(compute, autograph=False)
        call = tf.function(lambda inputs, training=False: compute(inputs, training), autograph=False)
        for training in (False, True):
            call.get_concrete_function(inputs, training=training)
        prefix = f"{encoder.name}/"
        trainable = {variable.path.removeprefix(prefix): variable.value for variable in encoder.trainable_variables}
        # First: a variable is called in the file by the first attribute that leads to it.
        self.weights = trainable
        # Without these states every call would drop the same units.
        self.dropout_states = [variable.value for variable in encoder.non_trainable_variables]
        self.variables = [variable.value for variable in encoder.variables]
        self.trainable_variables = list(trainable.values())
        self.regularization_losses: list[Any] = []
        self.normalized = tf.Variable(normalized, trainable=False, name="normalized")
        self.__call__ = call
        self.serve = tf.function(lambda inputs: call(inputs, training=False), [inputs], autograph=False)
        self.serve_train = tf.function(lambda inputs: call(inputs, training=True), [inputs], autograph=False)


def make_encoder(encoder: Encoder, vocabulary_file: Path) -> TrainableModule:
    """The object to save, a `TrainableModule`.

    Its inputs are the preprocessor's dictionary, int32 `(batch, length)` of any length up to
    `max_positions`.  Its outputs are `default` and `pooled_output`, which are the same, the
    pooler's output **not** brought to unit length, float32 `(batch, dim)`; `sequence_output`
    `(batch, length, dim)`; and `encoder_outputs`, a list of one such for each layer.  It has
    the asset `vocab_file` and the variable `do_lower_case` (false).

    Args:
        encoder: Its variables are shared, not copied.
        vocabulary_file: Becomes the asset.
    """
    max_positions = encoder.config.max_positions

    def encode(inputs: dict[str, tf.Tensor], training: bool) -> dict[str, Any]:
        length = tf.shape(inputs["input_word_ids"])[1]
        # Look-ups beyond the table fail on some devices and give zeros on others.
        rule = f"The encoder takes sequences of at most {max_positions} tokens."
        with tf.control_dependencies([tf.debugging.assert_less_equal(length, max_positions, rule)]):
            renamed = {ours: tf.identity(inputs[name]) for name, ours in INPUT_NAMES.items()}
        outputs = encoder(renamed, training=training)
        names = ("pooled_output", "sequence_output", "encoder_outputs")
        return {"default": outputs["pooled_output"]} | {name: outputs[name] for name in names}

    module = TrainableModule(encoder, encode, _INPUTS, normalized=False)
    module.vocab_file = tf.saved_model.Asset(str(vocabulary_file))
    module.do_lower_case = tf.Variable(False, trainable=False, name="do_lower_case")
    return module


def encoder_signatures(module: TrainableModule) -> dict[str, Any]:
    """The signatures to save it with: `serving_default`, without `encoder_outputs`: none can give a list."""

    def serving_default(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = module.serve(inputs)
        return {name: outputs[name] for name in ("default", "pooled_output", "sequence_output")}

    return {"serving_default": tf.function(serving_default, [_INPUTS], autograph=False)}
