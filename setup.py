"""Metadata of the distribution; the tools are configured in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = next(
    line.split('"')[1]
    for line in (here / "lealla_tf" / "__init__.py").read_text(encoding="utf-8").splitlines()
    if line.startswith("__version__")
)

setup(
    name="lealla-tf",
    version=version,
    description="Small multilingual sentence encoders: trained, distilled and exported with TensorFlow and Keras",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["lealla_tf", "lealla_tf.*"]),
    package_data={"lealla_tf": ["py.typed"]},
    entry_points={"console_scripts": ["lealla = lealla_tf.cli.main:main"]},
    install_requires=[
        "absl-py>=2.1",
        "defusedxml>=0.7.1",
        # tensorflow-datasets 4.9.10 imports it without declaring it.
        "importlib_resources>=6.4",
        "keras>=3.10,<4",
        "matplotlib>=3.8",
        "numpy>=1.26",
        # tensorflow-hub 0.16.1 imports pkg_resources, which setuptools 82 no longer has.
        "setuptools<82",
        # TensorFlow writes summaries with it, and from 2.21 on no longer requires it.
        "tensorboard>=2.19",
        "tensorflow>=2.20,<2.22",
        "tensorflow-datasets>=4.9.7",
        "tensorflow-hub>=0.16.1",
        # The C++ operators of tensorflow-text fit one minor version of TensorFlow; 2.21.0 is broken.
        "tensorflow-text>=2.20,<2.22,!=2.21.0",
        "tokenizers>=0.20",
    ],
    extras_require={
        # What the programs of benchmarks/ compare with.
        "benchmarks": [
            "onnx>=1.17",
            "onnxruntime>=1.20",
            "onnxscript>=0.5",
            "sentence-transformers>=5.0",
            "torch>=2.7",
            "transformers>=5.0",
        ],
        "dev": [
            "faiss-cpu>=1.8",
            "jax>=0.4.35",
            "mypy>=1.13",
            "pre-commit>=4.0",
            "pytest>=8.3",
            "pytest-xdist>=3.6",
            "ruff>=0.8",
            "scipy>=1.11",
            "transformers>=4.46",
        ],
        # Approximate search of large pools.
        "mining": ["faiss-cpu>=1.8"],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Text Processing :: Linguistic",
        "Typing :: Typed",
    ],
)
