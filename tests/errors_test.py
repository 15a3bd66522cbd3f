from lealla_tf.errors import DataError, UsageError, UserError


def test_exit_codes() -> None:
    """A command line that asks for something impossible ends in 2, as argparse's own mistakes do; bad data in 1."""
    assert (UserError.exit_code, DataError.exit_code, UsageError.exit_code) == (1, 1, 2)


def test_a_program_may_catch_both_at_once() -> None:
    assert issubclass(DataError, UserError)
    assert issubclass(UsageError, UserError)
    assert not issubclass(UserError, ValueError)
