"""Passwords, keys and tokens that students leave in notebooks, found so that nothing repeats them.

Whatever is written or shown of what a student wrote goes through :func:`redact`: reports, cards,
gradebooks, mark sheets, tracebacks, the terminal.

A secret is known by its own form (``ghp_…``, a PEM block) or by what stands
before it (``password=``, ``Authorization:``, ``user:…@host``). Long runs of
base64 are pictures and are passed over; hashes and checksums in ordinary code
have neither form nor context.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

MASK = "[redacted]"


class Secret(NamedTuple):
    """Where a secret stands in a text, and what it is."""

    start: int
    end: int
    kind: str


# Tokens of services that give theirs a form of their own. Each begins with a literal, or one of a
# few, which is looked for first; neither side may touch what could belong to a longer run of base64.
_FORMS = (
    ("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{30,255}"),
    ("GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
    ("GitLab token", "glpat-", r"glpat-[\w-]{20,64}"),
    ("Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{30,64}"),
    ("Kaggle token", "KGAT_", r"KGAT_[0-9a-f]{32}"),
    ("AWS key", "AKIA ASIA", r"(?:AKIA|ASIA)[A-Z0-9]{16}"),
    ("Google key", "AIza", r"AIza[\w-]{35}"),
    ("Google token", "ya29.", r"ya29\.[\w.-]{20,2048}[\w-]"),
    ("Google secret", "GOCSPX-", r"GOCSPX-[\w-]{20,64}"),
    ("Google token", "1//0", r"1//0[\w-]{30,256}"),
    ("Google token", "4/0 4/1", r"4/[01][\w-]{30,256}"),
    ("API key", "sk-", r"sk-[A-Za-z0-9][\w-]{19,255}"),
    ("API key", "sk_live_", r"sk_live_[A-Za-z0-9]{16,255}"),
    ("API key", "SG.", r"SG\.[\w-]{20,24}\.[\w-]{39,50}"),
    ("Slack token", "xox", r"xox[abeoprs]-[\w-]{10,255}"),
    ("Telegram token", ":AA", r"\d{8,10}:AA[\w-]{32,34}"),
    ("PyPI token", "pypi-", r"pypi-AgE[\w-]{50,512}"),
    ("npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    ("web token", "eyJ", r"eyJ[\w-]{8,2048}\.eyJ[\w-]{8,4096}\.[\w-]{4,2048}"),
)
_PATTERNS = tuple(
    (kind, literals.split(), re.compile(rf"(?<![A-Za-z0-9+/=_-])(?:{form})(?![A-Za-z0-9+/_-])"))
    for kind, literals, form in _FORMS
)

# Secrets that only their surroundings betray: the group `secret` is what must not be shown. What
# stands before the pattern, or one of it, has to occur in the text, in any case, for it to be tried.
_CONTEXTS = tuple(
    (kind, words.split("|"), re.compile(pattern, re.IGNORECASE))
    for kind, words, pattern in (
        (
            "private key",
            "private key",
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?P<secret>(?:(?!-----END)[\s\S]){1,20000})",
        ),
        (
            "password in a link",
            "://",
            r"://(?P<secret>[^\s/@:'\"<>{}]{0,256}:[^\s/@'\"<>{}]{1,256})@",
        ),
        (
            "token in a link",
            "://",
            r"://(?P<secret>[\w.~-]{20,256})@",
        ),
        (
            "signed link",
            "signature",
            r"(?:[?&;]|%26)(?:x-(?:amz|goog)-)?signature(?:=|%3d)(?P<secret>[\w%+/=-]{16,2048})",
        ),
        (
            "token in a link",
            "token=|key=|sig=|secret=|password=",
            r"[?&](?:(?:access|auth)_token|api_?key|token|sig|secret|password)=(?P<secret>[\w.%~+/-]{8,2048})",
        ),
        (
            "cookie",
            "cookie",
            r"\b(?:set-)?cookie\s*['\"]?\s*:\s*['\"]?(?P<secret>[^'\"\n=]{1,200}=[^'\"\n]{4,8192})",
        ),
        (
            "authorization header",
            "authorization",
            r"\bauthorization['\"]?\s*[:,]\s*f?['\"]?(?:bearer|basic|token)\s+(?P<secret>[\w.~+/=-]{8,4096})",
        ),
        (
            "Kaggle key",
            "username",
            r"username\W{1,8}[^'\"\n]{0,64}['\"]\s*,\s*\\?['\"]key\\?['\"]\s*:\s*\\?['\"](?P<secret>[^'\"\\\s]{8,128})",
        ),
        (
            "password",
            "--",
            r"--(?:http-|ftp-)?(?:password|passwd|api-?key|token)(?:=|\s+)['\"]?(?P<secret>[^\s'\"$({]{6,256})",
        ),
        (
            "password",
            "curl",
            r"\bcurl\b[^\n]{0,200}?\s(?:-u|--user)\s+['\"]?[^\s:'\"]{1,64}:(?P<secret>[^\s'\"${]{4,256})",
        ),
        (
            "API key",
            "login",
            r"\bwandb\s+login\s+(?:--?[\w-]{1,20}\s+){0,3}(?P<secret>[0-9a-z-]{32,128})",
        ),
        ("API key", "login", r"\blogin\(\s*key\s*=\s*['\"](?P<secret>[\w-]{20,128})"),
        (
            "password or key",
            "%env",
            r"%env\s+\w{0,40}(?:key|token|password|secret)\s+(?P<secret>[^\s$={]{8,256})",
        ),
    )
)

# A telling name with a value in quotes, or bare as in KEY=value.
_NAMED = re.compile(
    r"""
    (?P<name> passwords? | passwd | passphrase | pwd | secret (?: _? (?:access_?)? key )?
            | (?: api | access | private | auth | kaggle | account | storage ) _? key
            | token | credentials? | رمز (?: [\ \u200c] عبور )? | گذرواژه | کلمه [\u200c\ ] عبور )
    (?: _? (?: \d{1,2} | value | str ) )?
    (?P<after> \\? ["']? \s{0,4} \]? \s{0,4} (?: = | : | , (?=\s{0,4}["']) ) \s{0,4} )
    (?: [fbru]{0,2} (?P<quote> \\? ["'] ) (?P<quoted> (?: (?!(?P=quote)) [^\\\n] ){4,512} ) (?P=quote)
      | (?P<bare> [^\s"'`,;()\[\]{}<>$\\]{6,256} ) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_TELLING_WORDS = (
    *(
        "passw",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "credential",
        "رمز",
        "گذرواژه",
        "کلمه",
        "_key",
    ),
    *(f"{whose}key" for whose in "api access private auth kaggle account storage".split()),
)
"""Of which :data:`_NAMED` needs one: most texts have none, and are spared the search."""
_TELLING = re.compile(r"pass|pwd|secret|رمز|گذرواژه|عبور", re.IGNORECASE)
_TEXT_TOKEN = re.compile(
    r"(?:pad|cls|sep|mask|unk|bos|eos|sos|special|start|stop|end|next|prev|last|first|image|new)_?$",
    re.IGNORECASE,
)
_PLAIN_PASSWORD = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[\w!@#%^&*?-]{6,64}", re.ASCII)
_PLACEHOLDER = re.compile(
    r"""
    [*x.•_-]+ | .*\.\.\.+.* | <.* | \{.* | \$.* | %.* | \[.* | [A-Z_]+ | (?:.*[\s_-])?(?i:your|enter)[\s_-].*
    | (?i: change_?me | none | null | true | false | passwords? | passwd | token | secret | redacted | todo
         | (?: input | getpass | os\.environ | os\.getenv | userdata\. | example | insert | paste ) .*
         | .*_here )
    """,
    re.VERBOSE,
)
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{400,}={0,2}")
_KEY_CHARACTERS = re.compile(r"[\w+/=.:~-]+", re.ASCII)
_RANDOM_LENGTH, _RANDOM_BITS = 16, 3.0


def find_secrets(text: str) -> list[Secret]:
    """Return the secrets in `text`, in order and without overlaps."""
    found: list[Secret] = []
    for start, end in _outside_base64(text):
        found.extend(_secrets_between(text, start, end))
    return _without_overlaps(found)


def redact(text: str) -> str:
    """Return `text` with ``[redacted]`` in place of every secret; all else is left as it is."""
    parts: list[str] = []
    position = 0
    for secret in find_secrets(text):
        parts += text[position : secret.start], MASK
        position = secret.end
    return "".join([*parts, text[position:]])


_SHORTEST = 10
"""Characters of a secret with what tells that it is one: ``pwd="abcd"``."""
_NUMBERS = frozenset({int, float, bool, type(None)})


def redact_all(data: Any) -> Any:
    """Return plain data with every text in it redacted; `data` itself if there is no secret in it.

    All texts are searched as one, for most data holds no secret.
    """
    text = "\n\n".join(_texts(data))
    return data if redact(text) == text else _masked(data)


def _texts(data: Any) -> list[str]:
    """Return every text in plain data that is long enough for a secret."""
    texts = []
    found = [data]
    for item in found:  # which grows meanwhile
        if isinstance(item, str):
            if len(item) >= _SHORTEST:
                texts.append(item)
        elif isinstance(item, dict):
            found += item
            found += item.values()
        elif isinstance(item, list) and not _NUMBERS.issuperset(map(type, item)):
            found += item
    return texts


def _masked(data: Any) -> Any:
    if isinstance(data, str):
        return redact(data) if len(data) >= _SHORTEST else data
    if isinstance(data, list):
        return [_masked(item) for item in data]
    if isinstance(data, dict):
        return {_masked(key): _masked(item) for key, item in data.items()}
    return data


def _outside_base64(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for run in _BASE64.finditer(text):
        yield start, run.start()
        start = run.end()
    yield start, len(text)


def _secrets_between(text: str, start: int, end: int) -> Iterator[Secret]:
    for kind, literals, pattern in _PATTERNS:
        if any(text.find(literal, start, end) >= 0 for literal in literals):
            for found in pattern.finditer(text, start, end):
                yield Secret(found.start(), found.end(), kind)
    lower = text[start:end].lower()
    for kind, words, pattern in _CONTEXTS:
        if any(word in lower for word in words):
            for found in pattern.finditer(text, start, end):
                if not _PLACEHOLDER.fullmatch(found["secret"].strip()):
                    yield Secret(*found.span("secret"), kind)
    if not any(word in lower for word in _TELLING_WORDS):
        return
    for found in _NAMED.finditer(text, start, end):
        if _is_secret_value(found):
            yield Secret(
                *found.span("bare" if found["quoted"] is None else "quoted"), "password or key"
            )


def _is_secret_value(found: re.Match[str]) -> bool:
    """Return whether what follows a telling name is a secret, no placeholder and no code."""
    value = (found["quoted"] or found["bare"]).strip()
    if not value or _PLACEHOLDER.fullmatch(value):
        return False
    before = found.string[max(0, found.start() - 8) : found.start()]
    if found["name"].lower() == "token" and _TEXT_TOKEN.search(before):
        return False
    telling = _TELLING.search(found["name"]) is not None
    if found["quoted"] is None:
        # Bare: in a shell or printed it is a value, in Python it would be an expression.
        printed = telling and ":" in found["after"] and _PLAIN_PASSWORD.fullmatch(value)
        return "," not in found["after"] and (bool(printed) or _looks_random(value))
    if telling and "," not in found["after"]:
        is_path = value.startswith(("/", "./", "~", "../"))
        return (" " not in value or "=" in found["after"]) and not is_path
    return _looks_random(value)


def _looks_random(value: str) -> bool:
    """Return whether `value` is long and mixed like a generated key, unlike a word or a path."""
    if len(value) < _RANDOM_LENGTH or not _KEY_CHARACTERS.fullmatch(value):
        return False
    if not re.search(r"\d", value) or not re.search(r"[A-Za-z]", value) or value.count("/") > 1:
        return False
    counts = Counter(value).values()
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
    return bits >= _RANDOM_BITS


def _without_overlaps(found: list[Secret]) -> list[Secret]:
    merged: list[Secret] = []
    for secret in sorted(found):
        if merged and secret.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = last._replace(end=max(last.end, secret.end))
        else:
            merged.append(secret)
    return merged
