"""Text from elsewhere is cleaned where it comes in: it can't steer a terminal or a workflow, and repeats no secret."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace import foreign
from streamspace.errors import first_line

PIECES = ["\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "::error::", "##[error]", "::set-output name=a::", "\r", "\n", "\t", " ", "::", "#", "\u2028", "\u202e", "\ud800", "word"]  # fmt: skip
HOSTILE = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5))).map("".join)
SAMPLES = {
    "a Hugging Face token": ["hf_" + "a" * 34, "hf_jwt_eyJhbGciOi.eyJzdWIiOiIx.c2ln", "api_org_" + "b" * 34],
    "a GitHub token": ["ghp_" + "a1" * 18, "github_pat_" + "a1_" * 25],
    "a GitLab token": ["glpat-" + "a1-" * 8],
    "an Anthropic key": ["sk-ant-api03-" + "aB3-" * 20],
    "an OpenAI key": ["sk-" + "a1" * 24, "sk-proj-" + "aB3_" * 20],
    "a Google key": ["AIza" + "aB3-5" * 7, "ya29." + "a1" * 20],
    "a Slack token": [
        "xoxb-" + "123456789012-" * 2 + "a1b2",
        "https://hooks.slack.com/services/" + "T0/B0/" + "a" * 24,
    ],
    "a Stripe key": ["sk_" + "live_" + "a1" * 12, "rk_" + "test_" + "a1" * 12],
    "an AWS key": ["AKIA" + "A1" * 8, "aws_secret_access_key = '" + "aB3/" * 10 + "'"],
    "a private key": ["-----BEGIN " + "PRIVATE KEY-----", "-----BEGIN RSA " + "PRIVATE KEY-----"],
    "a URL with a password": ["postgres://ada:" + "hunter2@db.example/x", "https://:" + "token@llm.example"],
}


@given(HOSTILE)
def test_what_is_cleaned_is_one_line_that_commands_nothing_and_stays_as_it_is(text: str) -> None:
    line = foreign.clean(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", line)
    assert not line.lstrip().startswith("::")
    assert "##[" not in line
    assert foreign.clean(line) == line
    assert first_line(text) == foreign.clean(first_line(text))


@given(st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters=":#@._-"), max_size=40))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert foreign.clean(f"  {text} std::vector C:/x 50% ") == f"  {text} std::vector C:/x 50% "


@pytest.mark.parametrize("kind", foreign.SECRETS)
def test_each_kind_of_secret_is_known_by_its_form_and_is_not_repeated(kind: str) -> None:
    for secret in SAMPLES[kind]:
        text = f"key: {secret}\n"
        assert [name for name, pattern in foreign.SECRETS.items() if pattern.search(text)] == [kind]
        assert secret not in foreign.clean(text)
        assert "***" in foreign.clean(text)


@pytest.mark.parametrize(
    "text",
    ["hf_hub_download", "task-management-for-people-who-have-much", "https://llm.example/v1:8080", "risk-averse" * 9,
     "postgres://{user}:{password}@{host}", "http://127.0.0.1:7860", "git@github.com:a/b", "mailto:a@b.example"],
)  # fmt: skip
def test_what_only_resembles_a_secret_is_none(text: str) -> None:
    assert not any(pattern.search(text) for pattern in foreign.SECRETS.values())


@pytest.mark.parametrize("unit", ["a.", "sk-", "a://", "://", "x:", "-----BEGIN A ", "hf_jwt_", "\x1b]", "\x1b[", "xoxb-", "aws_secret_access_key", "::"])  # fmt: skip
def test_the_time_grows_with_the_length_of_the_text_only(unit: str) -> None:
    """A text of two megabytes, as large as a file that is looked through."""
    text = unit * (2_000_000 // len(unit))
    started = time.process_time()
    foreign.clean(text)
    assert time.process_time() - started < 20
