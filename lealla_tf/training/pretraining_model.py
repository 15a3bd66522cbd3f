"""The model that pre-trains an encoder: it guesses hidden tokens."""

from typing import Any

import tensorflow as tf

from lealla_tf.losses.masked_language import masked_language_sums
from lealla_tf.models.encoder import Encoder
from lealla_tf.models.masked_language_head import MaskedLanguageHead
from lealla_tf.training.cross_replica import replica_count
from lealla_tf.training.replicated_model import Batch, ReplicatedModel


class PretrainingModel(ReplicatedModel):
    """Trains `encoder`, with a head of its own, to guess the tokens that a batch hides.

        L = sum_p w_p L_p / sum_p w_p        over the masked positions p of all replicas

    `compute_loss` returns the replica's part; the parts sum to the loss.  What the encoder
    makes of its output, the pooler, is not used and not trained.

    Args:
        encoder: The encoder.
        pad_id: The id that marks padding in the batches.
        compile_encoder: Compile the encoder's forward and backward pass with XLA.

    Call arguments:
        batch: What `lealla_tf.corpus.masking.masked_batches` gives.
        training: Whether dropout is active.

    Returns:
        float32 logits `(rows, positions, vocabulary_size)`.

    Reference: Devlin et al., 2019, section 3.1; LaBSE, section 3.2.
    """

    def __init__(
        self, encoder: Encoder, pad_id: int, compile_encoder: bool = False, name: str = "pretraining_model"
    ) -> None:
        super().__init__(("loss", "accuracy"), name)
        self.encoder = encoder
        self.head = MaskedLanguageHead(
            encoder.config.vocabulary_size,
            encoder.config.activation,
            encoder.config.layer_norm_epsilon,
            encoder.config.initializer_range,
            dtype=encoder.dtype_policy,
        )
        self.head.build((None, None, encoder.config.hidden_dim))
        self.pad_id = pad_id
        self._encode = tf.function(encoder, autograph=False, jit_compile=True) if compile_encoder else encoder
        self.built = True

    @property
    def trainable_variables(self) -> list[Any]:
        """The encoder's variables up to its last layer, and the head's."""
        pooler = self.encoder.pooler
        unused = {id(variable) for variable in pooler.variables} if pooler else set()
        return [variable for variable in super().trainable_variables if id(variable) not in unused]

    @property
    def extra_weights(self) -> dict[str, Any]:
        """The weights of the head."""
        prefix = f"{self.head.path}/"
        return {f"head/{variable.path.removeprefix(prefix)}": variable for variable in self.head.variables}

    def call(self, batch: Batch, training: bool = False) -> Any:
        """The logits at the masked positions."""
        token_ids = batch["token_ids"]
        padding_mask = tf.cast(tf.not_equal(token_ids, self.pad_id), tf.int32)
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask, "segment_ids": batch["segment_ids"]}
        hidden = self._encode(inputs, training=training)["sequence_output"]
        table = self.encoder.embeddings.token_table.embeddings
        return self.head(tf.gather(hidden, batch["positions"], batch_dims=1), tf.convert_to_tensor(table))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The replica's part of the loss of the global batch; updates the metrics.

        Args:
            x: The batch.
            y: Not used; part of Keras' signature, as `sample_weight` and `training` are.
            y_pred: The logits, `call(x)`.
            sample_weight: Not used.
            training: Not used.

        Returns:
            A float32 scalar.
        """
        sums = masked_language_sums(y_pred, x["labels"], x["weights"])
        count = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, sums.count)
        # A batch of sentences without a single known word has nothing to guess.
        count = tf.maximum(tf.stop_gradient(count), 1.0)
        parts = {"loss": sums.loss / count, "accuracy": sums.correct / count}
        for name, part in parts.items():
            # The metric averages over replicas what must be summed over them.
            self.means[name].update_state(part * float(replica_count()))
        return parts["loss"]

    def train_step(self, batch: Batch) -> None:
        """One step of the optimizer on one replica's part of the batch."""
        with tf.GradientTape() as tape:
            loss = self.compute_loss(batch, y_pred=self(batch, training=True))
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)

    def test_step(self, batch: Batch) -> None:
        """The loss of one replica's part of the batch, without dropout."""
        self.compute_loss(batch, y_pred=self(batch, training=False), training=False)
