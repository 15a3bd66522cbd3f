import pytest

from lealla_tf.errors import DataError, UsageError, UserError, reason


class TensorFlowError(Exception):
    """One whose text holds more than its message, as TensorFlow's do."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} and more")
        self.message = message


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left on device", "a.txt"), "No space left on device"),
        (OSError("something"), "something"),
        (TensorFlowError("dir/.x.1f/saved_model.pb.tmp2; No space left on device"), "No space left on device"),
        (TensorFlowError("{{function_node a}} corrupted record at 12 [Op:Batch]\nmore"), "corrupted record at 12"),
    ],
)
def test_the_reason_of_an_error_names_no_file_and_no_operator(error: Exception, text: str) -> None:
    assert reason(error) == text


def test_exit_codes() -> None:
    """A command line that asks for something impossible ends in 2, as argparse's own mistakes do; bad data in 1."""
    assert (UserError.exit_code, DataError.exit_code, UsageError.exit_code) == (1, 1, 2)


def test_a_program_may_catch_both_at_once() -> None:
    assert issubclass(DataError, UserError)
    assert issubclass(UsageError, UserError)
    assert not issubclass(UserError, ValueError)
