"""Takes secrets and addresses out of what is handed on, and bounds it. No I/O."""

import base64
import json
import re
import urllib.parse

LONGEST = 2000  # characters of one piece of evidence
HIDDEN = "***"
# What looks like a secret, whoever set it. The value ends where a quoted text, a word or a line does.
_WORDS = r"(?:[a-z0-9_.-]*(?:passw(?:or)?d|passwd|pwd|secret|token|credential|(?:access|private)[_-]?key|authorization|bearer)|密码|口令)"
_SHAPES = (
    (re.compile(rf"(?i)({_WORDS}[\"']?(?:\s*[:=：]\s*|\s+(?:is|为)\s+))(\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s,;&}}]+(?: [A-Za-z0-9+/=]{{8,}})?)"), r"\1" + HIDDEN),
    (re.compile(r"(://[^\s:/@]+:)[^\s@]+@"), r"\1" + HIDDEN + "@"),
    (re.compile(r"(?i)(identified\s+by\s+)('[^']*'|\S+)"), r"\1" + HIDDEN),
    (re.compile(r"(?i)((?:^|\s)(?:mysql|mariadb|mysqldump|obclient)\b[^\n]*?\s-p)\S+"), r"\1" + HIDDEN),
)


class Cleaner:
    """Knows the secrets of this run, in the forms in which programs print them."""

    def __init__(self, secrets, names=()):
        """`secrets` are texts; `names` are pairs of a text and what stands in its place (addresses)."""
        forms = set()
        for secret in filter(None, secrets):
            plain = json.dumps(secret)[1:-1]
            forms |= {secret, plain, json.dumps(secret, ensure_ascii=False)[1:-1], urllib.parse.quote(secret, safe=""),
                      urllib.parse.quote(secret), urllib.parse.quote_plus(secret), repr(secret)[1:-1],
                      base64.b64encode(secret.encode()).decode()}
        # The longest first: one form may hold another.
        self.forms = sorted(forms, key=len, reverse=True)
        self.names = sorted(((text, name) for text, name in names if text), key=lambda pair: -len(pair[0]))

    def clean(self, text, longest=LONGEST):
        """The text without secrets, with names for addresses, without control characters, not longer than `longest`."""
        text = str(text)
        for form in self.forms:
            text = text.replace(form, HIDDEN)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        for known, name in self.names:
            text = re.sub(rf"(?<![0-9.A-Za-z]){re.escape(known)}(?![0-9A-Za-z]|\.[0-9])", name, text)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
        text = "".join(one for one in text if one in "\n\t" or one.isprintable())
        if len(text) > longest:
            half = (longest - 7) // 2
            text = text[:half] + " [...] " + text[-half:]
        return text

    def clean_all(self, value):
        """The same for every text in lists and dicts, keys too."""
        if isinstance(value, dict):
            return {self.clean(key): self.clean_all(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.clean_all(one) for one in value]
        return self.clean(value) if isinstance(value, str) else value
