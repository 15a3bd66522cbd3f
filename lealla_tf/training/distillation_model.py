"""The model that Keras `fit` trains: an encoder, its losses and its step under tf.distribute."""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from lealla_tf.config import EncoderConfig, LossConfig
from lealla_tf.losses.combined import CombinedLoss, Pairs
from lealla_tf.models.encoder import Encoder
from lealla_tf.training.cross_replica import gather_pairs, replica_count, replica_id
from lealla_tf.training.gradient_cache import map_chunks, sum_gradients
from lealla_tf.training.replicated_model import Batch, ReplicatedModel


class DistillationModel(ReplicatedModel):
    """Trains `encoder` with additive-margin softmax and, given a teacher, distillation.

    The loss is that of the *global* batch: every replica compares its own rows with the
    embeddings of all replicas.  `compute_loss` returns the replica's part; the parts sum to
    the loss, so that gradients summed by the optimizer are the gradients of the loss.

    Args:
        encoder: The student.
        loss: Weights and constants of the losses.
        pad_id: The id that marks padding in the batches.
        teacher_dim: Width of the teacher's embeddings; needed for distillation.
        teacher: Gives the teacher's embeddings `(rows, teacher_dim)` from the inputs that the
            batch carries for it. `None` if the batch carries the embeddings themselves.
        compile_encoder: Compile the encoder's forward and backward pass with XLA.
        chunk: Embed so many pairs at a time, so that memory grows with the chunk instead of
            with the batch, for a second forward pass; it must divide the rows of a replica.
            0 embeds all rows at once.
        static_shapes: Let no shape depend on what is in a batch, as TPUs need it.
        reduce_teacher: Gives what the pattern `synchronized` compares the student's embeddings
            with, `(rows, dim)`, from the teacher's.
        reduction_only: Train nothing but the encoder's reduction, for the features that the rest
            of it gives without dropout.  Where `teacher_dim` is given, these are the teacher's
            embeddings, which the batch carries.

    Call arguments:
        batch: A dictionary of
            `source_token_ids`, `target_token_ids`: int32 `(rows, length)`;
            `source_fingerprint`, `target_fingerprint`: int32 `(rows,)`;
            `source_teacher`, `target_teacher`: float `(rows, teacher_dim)`, unit length, or
            whatever `teacher` takes.
        training: Whether dropout is active.

    Returns:
        `Pairs` of features, `(rows, feature_dim)` each, which are the embeddings unless the
        encoder reduces them.

    Raises:
        ValueError: if a distillation loss has a weight and `teacher_dim` is not given, or what
            is to be compared has another width than the teacher.

    Reference: LEALLA, section 3.3.
    """

    def __init__(
        self,
        encoder: Encoder,
        loss: LossConfig,
        pad_id: int,
        teacher_dim: int | None = None,
        teacher: Callable[[Any], Any] | None = None,
        compile_encoder: bool = False,
        chunk: int = 0,
        static_shapes: bool = False,
        reduce_teacher: Callable[[Any], Any] | None = None,
        reduction_only: bool = False,
        name: str = "distillation_model",
    ) -> None:
        super().__init__(
            ("loss", *(term for term in ("additive_margin", "feature", "logit") if getattr(loss, term))), name
        )
        if loss.needs_teacher and teacher_dim is None:
            raise ValueError(
                "Distillation needs `teacher_dim`, the width of the teacher's embeddings. "
                f"Received: teacher_dim=None, feature={loss.feature}, logit={loss.logit}."
            )
        self.encoder = encoder
        self.combined_loss = CombinedLoss(loss, block=chunk)
        self.pad_id = pad_id
        self.projection: Any = None
        if loss.feature and loss.feature_pattern == "after_embedding":
            self.projection = keras.layers.Dense(teacher_dim, dtype="float32", name="projection")
            self.projection.build((None, encoder.config.dim))
        elif loss.feature:
            _check_pattern(loss.feature_pattern, encoder.config, teacher_dim, reduce_teacher)
        self._reduce_teacher: Any = reduce_teacher
        self._reduction_only = reduction_only
        self._teacher = teacher
        self._teacher_dim = teacher_dim
        self._chunk = chunk
        self.static_shapes = static_shapes
        self._embed = (
            tf.function(encoder.features, autograph=False, jit_compile=True) if compile_encoder else encoder.features
        )
        # XLA would have to compile the encoder twice.  With chunks, two passes would make the sum of gradients one of
        # three tensors, which Grappler rewrites into a TemporaryVariable where much memory is in use; inside the loop
        # over chunks that fails in the second step (AlreadyExistsError).
        self._in_one_pass = compile_encoder or static_shapes or chunk > 0
        self.built = True

    def call(self, batch: Batch, training: bool = False) -> Pairs:
        """Features of both sides.

        Each has a pass of its own, unless the encoder is compiled or the batch is embedded by chunks: operations of
        one side then fill the time in which those of the other wait for each other.
        """
        if self._reduction_only and self._teacher_dim is not None:
            return self._teacher_embeddings(batch)
        training = training and not self._reduction_only
        sides = Pairs(batch["source_token_ids"], batch["target_token_ids"])
        if not self._in_one_pass:
            return Pairs(*(self._embed(self._inputs(side), training=training) for side in sides))
        both = self._embed(self._inputs(tf.concat(sides, axis=0)), training=training)
        return Pairs(*tf.split(both, 2, axis=0))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The replica's part of the loss of the global batch; updates the metrics.

        Args:
            x: The batch.
            y: Not used; part of Keras' signature, as `sample_weight` and `training` are.
            y_pred: The features, `call(x)`.
            sample_weight: Not used.
            training: Not used.

        Returns:
            A float32 scalar.
        """
        student = Pairs(*(self.encoder.reduce(features) for features in y_pred))
        rows = tf.shape(student.source)[0]
        known: dict[str, Any] = {"first_row": rows * replica_id()}
        if self.combined_loss.config.mask_duplicates:
            known["fingerprints"] = gather_pairs(Pairs(x["source_fingerprint"], x["target_fingerprint"]))
        if self.combined_loss.config.needs_teacher:
            known["teacher"] = self._teacher_embeddings(x)
        if self.combined_loss.config.logit:
            known["all_teachers"] = gather_pairs(known["teacher"])
        if self.combined_loss.config.feature:
            known |= self._compared(y_pred, student, known["teacher"])
        terms = self.combined_loss(student, gather_pairs(student), **known)
        for name, part in terms.items():
            # The metric averages over replicas what must be summed over them.
            self.means[name].update_state(part * float(replica_count()))
        return terms["loss"]

    def compute_gradients(self, batch: Batch) -> list[Any]:
        """The gradients of the replica's part of the loss, one for each of `trainable_variables`."""
        if self._chunk and not self._reduction_only:
            return self._compute_gradients_by_chunks(batch)
        # Of what is frozen there is nothing to be remembered.
        frozen = self._features(batch, training=False) if self._reduction_only else None
        with tf.GradientTape() as tape:
            loss = self.compute_loss(batch, y_pred=frozen or self(batch, training=True))
        gradients: list[Any] = tape.gradient(loss, self.trainable_variables)
        return gradients

    def train_step(self, batch: Batch) -> None:
        """One step of the optimizer on one replica's part of the batch."""
        self.optimizer.apply(self.compute_gradients(batch), self.trainable_variables)

    def test_step(self, batch: Batch) -> None:
        """The losses of one replica's part of the batch, without dropout."""
        self.compute_loss(batch, y_pred=self._features(batch, training=False), training=False)

    @property
    def extra_weights(self) -> dict[str, Any]:
        """The weights of the projection to the teacher's width."""
        layer = self.projection
        return {} if layer is None else {f"projection/{variable.name}": variable for variable in layer.variables}

    @property
    def trainable_variables(self) -> list[Any]:
        """The weights that a step changes."""
        reduction = self.encoder.reduction
        if self._reduction_only and reduction is not None:
            return list(reduction.trainable_variables)
        return list(super().trainable_variables)

    def _compute_gradients_by_chunks(self, batch: Batch) -> list[Any]:
        """The same gradients, with a tape over one chunk of the batch at a time."""
        seeds = self.encoder.non_trainable_variables
        first_draws = [tf.identity(seed.value) for seed in seeds]
        features = self._features(batch, training=True)
        heads = [layer for layer in (self.encoder.reduction, self.projection) if layer is not None]
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = self.compute_loss(batch, y_pred=features)
        of_heads = [layer.trainable_variables for layer in heads]
        upstream, of_heads = tape.gradient(loss, (features, of_heads))
        # The second pass is to drop the units that the first one dropped.
        for seed, value in zip(seeds, first_draws, strict=True):
            seed.assign(value)
        # The weights come in the order of the layers: the first looks the tokens up, and the heads are the last.
        table, *others = self.trainable_variables
        others = others[: len(others) - sum(map(len, of_heads))]
        of_table, of_others = sum_gradients(
            lambda rows: self(rows, training=True),
            _token_ids(batch),
            upstream,
            self._chunk,
            table,
            others,
            self.static_shapes,
        )
        return [of_table, *of_others, *itertools.chain(*of_heads)]

    def _features(self, batch: Batch, training: bool) -> Pairs:
        """The features of all rows of the replica, by chunks if they are to be."""
        if not self._chunk or (self._reduction_only and self._teacher_dim is not None):
            return self(batch, training=training)
        widths = Pairs(self.encoder.config.feature_dim, self.encoder.config.feature_dim)
        return map_chunks(lambda rows: self(rows, training=training), _token_ids(batch), self._chunk, widths)

    def _inputs(self, token_ids: Any) -> dict[str, Any]:
        """What the encoder takes."""
        return {"token_ids": token_ids, "padding_mask": tf.cast(tf.not_equal(token_ids, self.pad_id), tf.int32)}

    def _compared(self, features: Pairs, student: Pairs, teacher: Pairs) -> dict[str, Pairs]:
        """The two things that feature distillation compares."""
        pattern = self.combined_loss.config.feature_pattern
        if pattern == "distillation_first":
            return {"projected": features}
        if pattern == "synchronized":
            return {"projected": student, "feature_teacher": Pairs(*map(self._reduce_teacher, teacher))}
        return {"projected": Pairs(*map(self.projection, student))}

    def _teacher_embeddings(self, batch: Batch) -> Pairs:
        """The frozen teacher's embeddings of this replica's rows."""
        sides = Pairs(batch["source_teacher"], batch["target_teacher"])
        if self._teacher is not None and self._chunk:
            sides = Pairs(*(map_chunks(self._teacher, inputs, self._chunk, self._teacher_dim) for inputs in sides))
        elif self._teacher is not None:
            sides = Pairs(*(self._teacher(inputs) for inputs in sides))
        return Pairs(*(tf.stop_gradient(tf.cast(side, tf.float32)) for side in sides))


def _check_pattern(
    pattern: str, encoder: EncoderConfig, teacher_dim: int | None, reduce_teacher: Callable[[Any], Any] | None
) -> None:
    """Raises `ValueError` if what the pattern compares differs in width."""
    if pattern == "distillation_first" and encoder.feature_dim != teacher_dim:
        raise ValueError(
            "The pattern `distillation_first` compares the pooled vector with the teacher's embedding: set "
            f"encoder.pooled_dim={teacher_dim}. Received: a pooled vector of {encoder.feature_dim} dimensions."
        )
    if pattern == "synchronized" and reduce_teacher is None:
        raise ValueError(
            "The pattern `synchronized` needs the run that reduces the teacher: set teacher.reduction. Received: none."
        )


def _token_ids(batch: Batch) -> dict[str, Any]:
    """The part of a batch that the student embeds."""
    return {name: batch[name] for name in ("source_token_ids", "target_token_ids")}
