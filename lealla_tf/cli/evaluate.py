"""`lealla evaluate`: what a model scores on a benchmark, as table, JSON and picture."""

import argparse
from pathlib import Path

from lealla_tf.cli.arguments import add_model_arguments, blaming_model, import_tensorflow
from lealla_tf.cli.benchmarks import BENCHMARKS, check_options
from lealla_tf.cli.searching import add_direction_argument, add_margin_arguments, add_search_arguments, positive
from lealla_tf.errors import UsageError
from lealla_tf.files import atomic_file, check_writable, write_json

HELP = "evaluate a model on a benchmark: table, JSON, picture"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what the command takes."""
    add_model_arguments(parser)
    parser.add_argument("--benchmark", required=True, choices=list(BENCHMARKS), help="what to evaluate on")
    parser.add_argument("--data", required=True, metavar="DIR", help="the benchmark's directory, in its own layout")
    parser.add_argument(
        "--languages",
        metavar="CODES",
        help="codes, separated by commas (default: all that are there): languages for tatoeba and xsim (deu,fra), "
        "language pairs for united_nations, bucc and sts (de-en,fr-en)",
    )
    parser.add_argument(
        "--group",
        action="append",
        metavar="NAME=FILE",
        help="tatoeba: average over the languages that FILE names, one code a line; may be repeated",
    )
    parser.add_argument(
        "--splits",
        metavar="TUNED,JUDGED",
        help="bucc: the threshold is chosen on the first and applied to the second (default: training,test)",
    )
    parser.add_argument(
        "--part",
        choices=("bilingual", "6way", "testset", "devset"),
        help="united_nations: which of the corpus's files (default: those that are there)",
    )
    parser.add_argument(
        "--pairs",
        type=positive,
        metavar="N",
        help="united_nations: only the first N distinct pairs, for a smaller pool (default: all)",
    )
    add_margin_arguments(parser, of="bucc, xsim: ")
    add_direction_argument(parser, of="bucc: ")
    add_search_arguments(parser, of="bucc, united_nations: ")
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="also write the benchmark's table (.txt), values (.json) and picture (.png) there",
    )


def run(arguments: argparse.Namespace) -> None:
    """Evaluates; the table goes to stdout, progress to stderr.

    Raises:
        UserError: for a command line, benchmark or model that cannot be used.
    """
    check_options(arguments)
    output = Path(arguments.output) if arguments.output else None
    if output is not None:
        if output.exists() and not output.is_dir():
            raise UsageError(f"--output must name a directory. Received: {output}, which is a file.")
        check_writable(output / f"{arguments.benchmark}.json")

    import_tensorflow()
    from lealla_tf.evaluation.report import EvaluatedModel
    from lealla_tf.inference.loading import load_sentence_encoder

    evaluate = BENCHMARKS[arguments.benchmark](arguments)  # a mistake in the data should not wait for the model
    encoder = load_sentence_encoder(arguments.model, arguments.preprocessor)
    with blaming_model(arguments.model):
        report = evaluate(encoder)
    model = EvaluatedModel(
        name=arguments.model,
        preprocessor=arguments.preprocessor,
        fingerprint=encoder.fingerprint,
        dim=encoder.dim,
        num_parameters=encoder.num_parameters,
        trained_languages=encoder.trained_languages,
    )
    text = report.text(model)
    print(text, end="")
    if output is not None:
        write_json(output / f"{report.benchmark}.json", report.values(model))
        with atomic_file(output / f"{report.benchmark}.txt") as temporary:
            temporary.write_text(text, encoding="utf-8")
        if report.draw is not None:
            report.draw(output / f"{report.benchmark}.png", model.summary)
