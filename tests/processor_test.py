"""What the processor offers."""

import os

import pytest

from lealla_tf import processor


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("model name\t: avx512_bf16\nflags\t\t: fpu avx512f\n", False),
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 sse\n", True),
        ("flags\t\t: amx_bf16\n", True),
        ("", False),
    ],
)
def test_processors_with_bfloat16(tmp_path, monkeypatch, content, found):
    (tmp_path / "cpuinfo").write_text(content)
    monkeypatch.setattr(processor, "FLAGS", tmp_path / "cpuinfo")
    assert processor.has_bfloat16() is found


def test_where_nothing_is_known_there_is_no_bfloat16(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "FLAGS", tmp_path / "none")
    assert not processor.has_bfloat16()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux says which cores a process may use")
def test_cores_are_those_that_this_process_may_use():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert processor.num_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert processor.num_cores() == len(before)
