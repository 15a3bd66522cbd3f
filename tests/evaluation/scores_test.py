"""Averages and metric keys, by hand."""

import pytest

from lealla_tf.evaluation.scores import LanguageScore, Result, group_scores


def score(code, source_to_target, target_to_source):
    return LanguageScore(code=code, pairs=10, source_to_target=source_to_target, target_to_source=target_to_source)


SCORES = (score("deu", 0.75, 0.25), score("fra", 0.5, 1.0), score("kab", 0.25, 0.0))


def test_mean_of_directions():
    assert [s.mean for s in SCORES] == [0.5, 0.75, 0.125]


def test_group_averages_by_hand():
    two, all_three = group_scores(SCORES, {"two": ["fra", "kab"], "three": ["deu", "fra", "kab"]})
    assert (two.source_to_target, two.target_to_source, two.mean) == (0.375, 0.5, 0.4375)
    assert (all_three.source_to_target, all_three.target_to_source) == (0.5, pytest.approx(1.25 / 3))
    assert two.missing == all_three.missing == ()


def test_a_group_that_lacks_languages_has_no_average():
    group, evaluated = group_scores(SCORES, {"some": ["spa", "fra", "ita"]})
    assert group.missing == ("spa", "ita")
    assert (group.source_to_target, group.target_to_source, group.mean) == (None, None, None)
    assert (evaluated.name, evaluated.languages) == ("evaluated", ("deu", "fra", "kab"))
    assert evaluated.mean == pytest.approx((0.5 + 0.75 + 0.125) / 3)


def test_evaluated_is_not_added_beside_the_same_languages():
    assert [group.name for group in group_scores(SCORES, {"mine": ["kab", "fra", "deu"]})] == ["mine"]


def test_metric_keys():
    result = Result(
        benchmark="tatoeba",
        scores=SCORES[:1],
        groups=group_scores(SCORES[:1], {"14": ["deu", "fra"], "mine": ["deu"]}),
        checksum="",
    )
    assert result.metrics == {
        "tatoeba/deu-eng/source_to_target/precision_at_1": 0.75,
        "tatoeba/deu-eng/target_to_source/precision_at_1": 0.25,
        "tatoeba/deu-eng/mean/precision_at_1": 0.5,
        "tatoeba/group_mine/source_to_target/precision_at_1": 0.75,
        "tatoeba/group_mine/target_to_source/precision_at_1": 0.25,
        "tatoeba/group_mine/mean/precision_at_1": 0.5,
    }


def test_labels():
    groups = {"2": ["deu", "fra"], "36": ["deu", "fra"], "mine": ["deu"], "all": ["kab", "fra"]}
    assert [group.label for group in group_scores(SCORES, groups)] == [
        "2 languages",
        "36 (2 languages)",
        "mine (1 language)",
        "all 2 languages",
        "the 3 languages evaluated",
    ]


def test_groups_that_cannot_be_averaged():
    with pytest.raises(ValueError, match=r"A group must have languages. Received: none for 'mine'"):
        group_scores(SCORES, {"mine": []})
    with pytest.raises(ValueError, match="A group must not be called 'evaluated'"):
        group_scores(SCORES, {"evaluated": ["deu"]})
