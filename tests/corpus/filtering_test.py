import random

import pytest

from lealla_tf.config import FilterConfig
from lealla_tf.corpus.filtering import FileReport, PairFilter, report_table

OFF = {"max_characters": 0, "max_length_ratio": 0.0, "identical": False, "duplicates": False, "script": False}


def kept(pairs, language_pair="en-de", **settings):
    """The pairs kept with only `settings` on, and the counts of the others."""
    report = FileReport("a", language_pair)
    result = PairFilter(FilterConfig(**{**OFF, **settings})).filter_block(pairs, language_pair, report)
    assert report.kept == len(result)
    assert report.kept + sum(report.dropped.values()) == len(pairs)
    return result, dict(report.dropped)


def test_empty_sides_are_dropped_whatever_is_off():
    pairs = [("a", "b"), ("", "b"), ("a", ""), ("", "")]
    assert kept(pairs) == ([("a", "b")], {"empty": 3})


def test_too_long_counts_either_side_in_characters():
    pairs = [("ä" * 5, "b"), ("a" * 6, "b"), ("a", "漢" * 6), ("a", "漢" * 5)]
    assert kept(pairs, max_characters=5) == ([pairs[0], pairs[3]], {"too_long": 2})


def test_length_ratio_by_hand():
    # (30 + 10) / (10 + 10) = 2 is at the limit, (31 + 10) / (10 + 10) above it; (12 + 10) / (1 + 10) = 2.
    pairs = [("a" * 30, "b" * 10), ("a" * 31, "b" * 10), ("a" * 10, "b" * 31), ("a", "b" * 12), ("a", "b" * 13)]
    assert kept(pairs, max_length_ratio=2.0) == ([pairs[0], pairs[3]], {"length_ratio": 3})


def test_identical():
    pairs = [("OK", "OK"), ("OK", "ok")]
    assert kept(pairs, identical=True) == ([("OK", "ok")], {"identical": 1})
    assert kept(pairs) == (pairs, {})


def test_wrong_script():
    pairs = [("Good day", "Добрый день"), ("Good day", "Guten Tag"), ("Добрый", "день"), ("3", "42")]
    assert kept(pairs, "en-ru", script=True) == ([pairs[0], pairs[3]], {"wrong_script": 2})


def test_duplicates_within_a_file_keep_the_first():
    pairs = [("a", "b"), ("a", "c"), ("a", "b"), ("b", "a"), ("a", "b")]
    assert kept(pairs, duplicates=True) == ([("a", "b"), ("a", "c"), ("b", "a")], {"duplicate": 2})


def test_duplicates_across_files_of_a_language_pair_only():
    pair_filter = PairFilter(FilterConfig())
    reports = [FileReport(name) for name in "abc"]
    assert pair_filter.filter_block([("one", "eins")], "en-de", reports[0]) == [("one", "eins")]
    assert pair_filter.filter_block([("one", "eins")], "en-lb", reports[1]) == [("one", "eins")]
    assert pair_filter.filter_block([("one", "eins")], "en-de", reports[2]) == []
    assert [dict(report.dropped) for report in reports] == [{}, {}, {"duplicate": 1}]


def test_a_pair_counts_once_under_the_first_rule_that_drops_it():
    settings = {"max_characters": 3, "max_length_ratio": 1.0, "identical": True, "script": True, "duplicates": True}
    pairs = [("", "я" * 9), ("яяяя", "яяяя"), ("яя", "яяя"), ("яяя", "яяя"), ("яяя", "aaa")]
    counts = dict.fromkeys(("empty", "too_long", "length_ratio", "identical", "wrong_script"), 1)
    assert kept(pairs, **settings) == ([], counts)


def test_a_dropped_pair_does_not_make_the_next_a_duplicate():
    pairs = [("яяя", "aaa"), ("яяя", "aaa")]
    assert kept(pairs, "en-de", script=True, duplicates=True) == ([], {"wrong_script": 2})


def test_filter_gives_what_filter_block_gives():
    generator = random.Random(0)
    words = ["", "a", "b", "langes Wort" * 9]
    pairs = [(generator.choice(words), generator.choice(words) + str(n % 3000)) for n in range(10_000)]
    reports = FileReport("a"), FileReport("a")
    blocks = PairFilter(FilterConfig()).filter_block(pairs, "en-de", reports[0])
    stream = PairFilter(FilterConfig()).filter(iter(pairs), "en-de", reports[1])
    assert list(stream) == blocks
    assert reports[0] == reports[1]
    assert min(reports[0].dropped[reason] for reason in ("empty", "length_ratio", "duplicate")) > 0


def test_report_keeps_the_first_place_of_each_reason():
    report = FileReport("a")
    for reason, place in (("no_tab", "a:2"), ("no_tab", "a:3"), ("not_utf8", "a:9")):
        report.drop_malformed(reason, place)
    assert report.dropped == {"no_tab": 2, "not_utf8": 1}
    assert report.first == {"no_tab": "a:2", "not_utf8": "a:9"}


def test_report_table():
    first = FileReport("corpus/de.tsv", "en-de", kept=12345)
    first.drop_malformed("no_tab", "corpus/de.tsv:17")
    first.dropped["duplicate"] = 1000
    second = FileReport("fr.tmx", "en-fr", kept=7)
    second.dropped["empty"] = 2
    assert report_table([first, second]).split("\n") == [
        "file           pair     kept  dropped  no_tab  empty  duplicate",
        "corpus/de.tsv  en-de  12,345    1,001       1      0      1,000",
        "fr.tmx         en-fr       7        2       0      2          0",
        "total                 12,352    1,003       1      2      1,000",
        "first no_tab: corpus/de.tsv:17",
    ]


def test_report_table_of_nothing_dropped():
    assert report_table([FileReport("a", "en-de", kept=1)]).split("\n") == [
        "file   pair   kept  dropped",
        "a      en-de     1        0",
        "total            1        0",
    ]


@pytest.mark.parametrize("limit", ["max_characters", "max_length_ratio"])
def test_zero_switches_a_limit_off(limit):
    pairs = [("a" * 5000, "b")]
    settings = {"max_characters": 1000, "max_length_ratio": 4.0}
    other = "length_ratio" if limit == "max_characters" else "too_long"
    assert kept(pairs, **{**settings, limit: 0}) == ([], {other: 1})
    assert kept(pairs) == (pairs, {})
