"""lealla_tf: small multilingual sentence encoders, trained, distilled and exported.

Importing the package imports neither TensorFlow nor Keras, so that `lealla --help`
answers at once and the encoder and the losses run on any Keras backend.
"""

__version__ = "0.1.0"
