"""Secrets taken out of what a student wrote, before anybody else can read it.

Hand-ins carry download credentials and API keys. Whatever a card or an export
shows of a student's code, outputs and messages goes through :func:`redact`.
"""

from __future__ import annotations

import re

MASK = "•••"
"""What stands where a secret was."""

_WHOLE = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS
    r"|\b(?:ghp|gho|ghu|ghs|ghr)_[0-9A-Za-z]{20,}"  # GitHub
    r"|\bgithub_pat_[0-9A-Za-z_]{20,}"
    r"|\bglpat-[0-9A-Za-z_-]{16,}"  # GitLab
    r"|\bhf_[0-9A-Za-z]{20,}"  # Hugging Face
    r"|\bsk-[0-9A-Za-z_-]{20,}"  # OpenAI and others
    r"|\bAIza[0-9A-Za-z_-]{30,}"  # Google
    r"|\bya29\.[0-9A-Za-z_-]{20,}"
    r"|\bxox[abprs]-[0-9A-Za-z-]{10,}"  # Slack
    r"|\b\d{8,10}:[0-9A-Za-z_-]{35}\b"  # Telegram bots
    r"|\bKGAT_[0-9a-f]{32}\b"  # Kaggle
    r"|\beyJ[0-9A-Za-z_-]{8,2000}\.eyJ[0-9A-Za-z_-]{8,4000}\.[0-9A-Za-z_-]*",  # JSON web tokens
    re.DOTALL,
)

# Most text holds none of these, and is spared the patterns.
_SUSPECT = re.compile(
    r"key|token|passw|pwd|secret|credential|://|bearer|basic|akia|asia|gh[opsur]_|github_pat|glpat"
    r"|hf_|sk-|aiza|ya29|xox|eyj|sig=|signature|\d{8}:",
    re.IGNORECASE,
)

_IN_PLACE = (
    # https://user:password@host
    re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@'\"]{1,80}:)[^\s/@'\"]{1,200}(?=@)"),
    # Authorization: Bearer …
    re.compile(r"(\b(?:Bearer|Basic)\s)[0-9A-Za-z._~+/=-]{12,}"),
    # !wandb login --key …
    re.compile(r"(--(?:password|passwd|token|api[-_]?key|key)[= ]['\"]?)[^\s'\"]{6,}"),
    # …?token=…&sig=… in addresses
    re.compile(
        r"([?&](?:access_?token|token|api_?key|key|sig|signature|password"
        r"|X-Amz-Signature|X-Goog-Signature)=)[^\s&'\"]{8,}",
        re.IGNORECASE,
    ),
)

_NAMED = re.compile(
    r"(?<![A-Za-z_])(?P<before>(?P<name>[A-Za-z_]{0,40}?"
    r"(?:passw(?:or)?d|passwd|pwd|secret|token|api_?key|access_?key|private_?key|credential"
    r"|(?<![A-Za-z])key)[A-Za-z_]{0,40})['\"]?\]?\s{0,8}[=:,]\s{0,8}[rbuf]?(?P<quote>['\"]))"
    r"(?P<secret>(?:(?!(?P=quote))[^\n]){4,400})(?P=quote)",
    re.IGNORECASE,
)
_ALWAYS = re.compile("passw|pwd|secret|credential")
_USUALLY = re.compile(
    "api_?key|access_?key|private_?key|(?:access|auth|api|bot|hub|hf|refresh)_?token"
)
_OPAQUE = re.compile(r"[0-9A-Za-z_./+=:-]+")


def redact(text: str) -> str:
    """Return `text` with tokens, keys and passwords replaced by :data:`MASK`.

    Names that mean something else in machine learning keep their values: a
    ``pad_token = "<pad>"``, ``key="accuracy"``, ``tokenizer="bert-base"``.
    """
    if not _SUSPECT.search(text):
        return text
    text = _WHOLE.sub(MASK, text)
    for pattern in _IN_PLACE:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return _NAMED.sub(_named, text)


def _named(match: re.Match[str]) -> str:
    if not _is_secret(match["name"].lower(), match["secret"]):
        return match[0]
    return match["before"] + MASK + match["quote"]


def _is_secret(name: str, value: str) -> bool:
    """Judge a quoted value by the name it is given and by what it looks like."""
    if "tokeniz" in name or MASK in value or "{" in value:
        return False
    if _ALWAYS.search(name):
        return True
    if not _OPAQUE.fullmatch(value):
        return False
    if _USUALLY.search(name):
        return len(value) >= 8
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return len(value) >= 16 and mixed
