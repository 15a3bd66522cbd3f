"""Serves an export through TensorFlow's C API, by libraries alone: DIRECTORY LIBRARIES OPERATORS OUTPUT.

No Python of TensorFlow's runs here, only what a server written in C would call.  The names
of the operations are those that saved models of one signature have.
"""

import ctypes
import pathlib
import sys

directory, libraries, operators, output = sys.argv[1:]
framework = ctypes.CDLL(f"{libraries}/libtensorflow_framework.so.2", ctypes.RTLD_GLOBAL)
library = ctypes.CDLL(f"{libraries}/libtensorflow_cc.so.2", ctypes.RTLD_GLOBAL)
FLOAT, STRING = 1, 7


class Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


def function(name, result=ctypes.c_void_p):
    found = getattr(library, name)
    found.restype = result
    return found


status = ctypes.c_void_p(function("TF_NewStatus")())


def checked():
    assert function("TF_GetCode", ctypes.c_int)(status) == 0, function("TF_Message", ctypes.c_char_p)(status)


def load(path):
    graph = ctypes.c_void_p(function("TF_NewGraph")())
    options = ctypes.c_void_p(function("TF_NewSessionOptions")())
    tags = (ctypes.c_char_p * 1)(b"serve")
    session = function("TF_LoadSessionFromSavedModel")(
        options, None, ctypes.c_char_p(path.encode()), tags, 1, graph, None, status
    )
    checked()
    return graph, ctypes.c_void_p(session)


def operation(graph, name):
    found = function("TF_GraphOperationByName")(graph, ctypes.c_char_p(name.encode()))
    assert found, name
    return Output(found, 0)


def strings(values):
    dimensions = (ctypes.c_int64 * 1)(len(values))
    size = 24  # of a TF_TString
    tensor = ctypes.c_void_p(function("TF_AllocateTensor")(STRING, dimensions, 1, ctypes.c_size_t(size * len(values))))
    data = function("TF_TensorData")(tensor)
    for index, value in enumerate(values):
        place = ctypes.c_void_p(data + size * index)
        function("TF_StringInit", None)(place)
        function("TF_StringCopy", None)(place, ctypes.c_char_p(value), ctypes.c_size_t(len(value)))
    return tensor


for path in sorted(pathlib.Path(operators).glob("*.so")):
    function("TF_LoadLibrary")(ctypes.c_char_p(bytes(path)), status)
    checked()

graph, session = load(f"{directory}/sentence_encoder")
inputs = (Output * 1)(operation(graph, "serving_default_sentences"))
outputs = (Output * 1)(operation(graph, "StatefulPartitionedCall"))
fed = (ctypes.c_void_p * 1)(strings([b"ab c!", b"", b"xyz " * 30]))
fetched = (ctypes.c_void_p * 1)()
function("TF_SessionRun", None)(session, None, inputs, fed, 1, outputs, fetched, 1, None, 0, None, status)
checked()
tensor = ctypes.c_void_p(fetched[0])
size = function("TF_TensorByteSize", ctypes.c_size_t)(tensor)
with open(output, "wb") as file:
    file.write(ctypes.string_at(function("TF_TensorData")(tensor), size))

assert not {"tensorflow", "numpy", "lealla_tf"} & set(sys.modules)
