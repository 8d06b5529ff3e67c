"""Cleans text that comes from elsewhere (the Hub, a server, a log, a model's files) before the Space's owner reads it.

Visitors read none of it: their texts are those of translations/.
"""

from __future__ import annotations

import re

# The forms in which their makers' own scanners, and gitleaks, know secrets, each found in linear time.
SECRETS = {
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z]{34}\b|\bapi_org_[A-Za-z]{34}\b|\bhf_jwt_[\w.-]{20,}"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_\w{60,}"),
    "a GitLab token": re.compile(r"\bgl(?:pat|dt|ptt|rt|cbt|soat|ft|imt|agent|oas|ffct)-[\w.-]{20,}"),
    "an Anthropic key": re.compile(r"\bsk-ant-[\w-]{20,}"),
    "an OpenAI key": re.compile(r"\bsk-(?!ant-)[\w-]{32,}"),
    "a Google key": re.compile(r"\bAIza[\w-]{35}|\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{28}"),
    "a Slack token": re.compile(r"\bxox[abeoprs]-[\w-]{10,}|\bxapp-\d-[\w-]{10,}|\bhooks\.slack\.com/\w+/[\w/+]{20,}"),
    "a Stripe key": re.compile(r"\b[sr]k_(?:live|test|prod)_[A-Za-z0-9]{10,}|\bwhsec_[\w+/=]{32,}"),
    "an AWS key": re.compile(
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b|(?i:aws_secret_access_key)\W{1,5}[A-Za-z0-9+/]{40}"
    ),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----"),
    "a URL with a password": re.compile(
        r"""\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@"'<>{}?#]{0,100}:[^\s/@"'<>{}?#]{3,200}@(?=\w)"""
    ),
}
ANY_TOKEN = re.compile(r"\b(hf_)[A-Za-z0-9._-]{8,}")  # also a shortened one; too many words look like it for a check
ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[PX^_][^\x1b\n]*(?:\x1b\\)?|[ -/]*[0-~])"
)
# Control characters, line separators, marks that reverse the reading direction, halves of characters, hidden tags.
UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
COMMAND = re.compile(r"(?:^\s*:(?=:)|#(?=#\[))")  # what a runner of GitHub Actions takes for a command to it


def clean(text: str) -> str:
    """The text as one line, without escape sequences, control characters, secrets and commands to GitHub's runner."""
    line = UNSEEN.sub(" ", ESCAPE.sub("", text))
    return COMMAND.sub(r"\g<0> ", redacted(line))


def clean_lines(text: object) -> str:
    """A text of several lines, each cleaned."""
    return "\n".join(map(clean, str(text).split("\n")))


def redacted(text: str) -> str:
    """The text with `***` in the place of each secret."""
    for pattern in SECRETS.values():
        text = pattern.sub("***", text)
    return ANY_TOKEN.sub(r"\1***", text)
