"""Manifests that nobody should be sent: mutated real ones, and hostile ones made from grammar.

``cases(seed)`` never ends by itself and yields the same cases for the same seed: the name of a
case, which says how it was made, and the bytes of a file to be called ``NAME.toml``, where ``NAME``
is ``FILE``.
"""

from __future__ import annotations

import functools
import random
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.fuzz.outcome import Case, Finding, command
from tests.fuzz.watch import Watch

MANIFESTS = Path(__file__).parents[2] / "manifests"
FILE = "fuzzed"
"""What the phase of most cases is called, so that its file can be, too."""
LARGEST = 2**20

HEAD = f"""\
schema_version = 1
[phase]
name = "{FILE}"
title = "A phase"
question = "Why?"
seed = 7
"""

_TOKEN = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z_][\w-]*|[+-]?\d[\d_.eE+-]*|\s+|[^\w\s]', re.DOTALL
)

VALUES = (
    *("true", "false", "True", "None", "null", "nan", "-inf", "inf", "0", "-0", "-1", "1", "2"),
    *("0.5", ".5", "5.", "01", "1e-3", "1e308", "1e309", "-1e-320", "0x10", "0o7", "1_000", "0,85"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" * 400, "1" * 5000),
    *("4611686018427387904", "1000000000", "65536", "0xffffffffffffffffffffffff", "1e18"),
    *('""', '"x"', "'x'", '"\\u0000"', '"\\u202e"', '"\\u2028x"', '"\\ud800"', '"\\x1b[31m"'),
    *('"20"', '"4GiB"', '"30min"', '"0,85"', '"5%"', '"../../x"', '"/etc/passwd"', '"/dev/zero"'),
    *('"a/b"', '"."', '".."', '"é"', '"e\u0301"', "'''\nx'''", '"""x', "'x", '"x', "sgd", "“x”"),
    *("[]", "[[]]", "[1]", "[1, 2]", '["a", 2]', "[{}]", "{}", "{ kind = 1 }", '{ kind = "none" }'),
    *('{ kind = "sgd" }', '{ kind = "adamw", betas = [0, 1] }', "{ values = [1], labels = [] }"),
    *('{ values = [1, 2], labels = ["a", "a"] }', "{ values = 3 }", "{ a = { b = { c = 1 } } }"),
    *("2026-01-01", "10:00:00", "1979-05-27T07:32:00Z", "2026-13-41", "#", "=", "", "\\", "\0"),
    *('"amp_ssim => 0.85"', '["amp_ssim >= 0,85"]', '["not " ]', '["(((((collapsed"]'),
    *('"constant"', '"warmup_cosine"', '{ kind = "warmup_cosine", warmup_epochs = 3 }'),
)
KEYS = (
    *("name", "seed", "epochs", "kind", "train", "model", "dataset", "arms", "matrix", "profiles"),
    *("values", "labels", "exclude", "include", "arm", "resources", "optional", "probe_file"),
    *("probe_sha256", "probe", "command", "select", "success", "findings", "compare_with", "when"),
    *("capture", "checkpoint", "base", "threads", "gpus", "timeout_s", "memory_gib", "pids"),
    *("hidden_channels", "fno_blocks", "cnn_blocks", "modes", "max_levels", "patch_size"),
    *("object_size", "batch_size", "learning_rate", "optimizer", "scheduler", "clip", "loss"),
    *("architecture", "grad_hist_epochs", "activations", "activation_report", "tests", "steps"),
    *('""', '"a.b"', '"\\u001b"', "'é'", '"\u202e"', "x" * 300, "a.b.c", "schema_version", "phase"),
)
HEADERS = (
    *("[train]", "[model]", "[dataset]", "[diagnostics]", "[resources]", "[matrix]", "[[arms]]"),
    *("[arms]", "[[train]]", "[[matrix.exclude]]", "[[matrix.include]]", "[profiles.q]", "[steps]"),
    *("[profiles.q.matrix]", "[arms.train]", "[train.optimizer]", "[[steps]]", "[verdict]"),
    *("[tests]", "[image]", "[phase]", "[[phase]]", "[profiles]", "[[profiles.q]]", "[]", "[[a]"),
)
UNSEEN = ("\ufeff", "\u202e", "\u200b", "\u00a0", "\u2028", "\x1b[2J", "\x00", "\x7f", "\r", "\x0c")


def cases(seed: int) -> Iterator[tuple[str, bytes]]:
    """Cases without end: ``(name, content of a manifest)``."""
    rng = random.Random(seed)
    seeds = _seeds()
    number = 0
    while True:
        if rng.random() < 0.75:
            kind, text = _mutated(rng, seeds)
        else:
            make = rng.choice(GRAMMAR)
            kind, text = make.__name__.strip("_"), make(rng)
        content = text.encode("utf-8", "surrogatepass")
        if rng.random() < 0.03:
            kind, content = f"{kind}+bytes", _bytes(rng, content)
        yield f"{number}-{kind}", content[:LARGEST]
        number += 1


def judge() -> Callable[[Case, Watch], Iterator[Finding]]:
    """The target: a case's first manifest, checked or planned with."""

    def run(case: Case, watch: Watch) -> Iterator[Finding]:
        kind, content = next(cases(case.random.getrandbits(60)))
        path = case.work / f"{FILE}.toml"
        path.write_bytes(content)
        give_tests(case.work)
        case.names = (path.name,)
        case.done.append(kind)
        verb = case.random.choice((["check"], ["check"], ["plan", "--device", "cpu"]))
        yield from command(case, watch, [*verb, str(path)]).findings

    return run


def give_tests(project: Path) -> None:
    """Put the tests that the project's manifests name where a manifest in ``project`` has them."""
    for name in _selected():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(MANIFESTS.parent / name, project / name)


@functools.cache
def _selected() -> list[str]:
    named = {name for text in _seeds() for name in re.findall(r"tests/models/[\w/]+\.py", text)}
    return sorted(name for name in named if (MANIFESTS.parent / name).is_file())


@functools.cache
def _seeds() -> list[str]:
    """The manifests of the project, each called ``FILE``, and one that has everything."""
    texts = [path.read_text("utf-8") for path in sorted(MANIFESTS.glob("*.toml"))]
    renamed = [re.sub(r'(?m)^name = "[\w-]+"', f'name = "{FILE}"', text, count=1) for text in texts]
    return [*renamed, EVERYTHING, EVERYTHING, EVERYTHING]


EVERYTHING = f"""\
schema_version = 1
[phase]
name = "{FILE}"
title = "All there is"
question = '''
Why?
'''
findings = ["STABLE-LS-001"]
license = "CC0"
seed = 20260128
compare_with = ["phase7"]
[image]
base = "debian:12"
[resources]
threads = 1
memory_gib = 1.5
timeout_s = 60
[dataset]
object_size = 96
patch_size = 32
probe = "ideal_disk"
[model]
architecture = "hybrid"
fno_blocks = 2
modes = 4
[train]
epochs = 3
learning_rate = 1e-3
optimizer = {{ kind = "adamw", betas = [0.9, 0.99] }}
scheduler = {{ kind = "warmup_cosine", warmup_epochs = 1 }}
[diagnostics]
grad_hist_epochs = [0, 2]
[verdict]
success = ["amp_ssim >= 0.1 and not (collapsed or has_nan)"]
[tests]
select = ["tests/models/test_arm.py"]
[[steps]]
name = "look"
when = "an_arm_misses_success"
capture = ["activations"]
[[arms]]
name = "one"
optional = true
command = ["python", "-m", "models"]
[[arms]]
name = "two"
seed = 8
train.batch_size = 8
[matrix]
seed = [1, 2]
model.decoder_norm = {{ values = ["none", "instance"], labels = ["plain", "norm"] }}
train.clip = [{{ kind = "none" }}, {{ kind = "norm", max_norm = 1 }}]
[[matrix.exclude]]
arm = "one"
train.clip.kind = "norm"
[[matrix.include]]
name = "more"
train.learning_rate = 0.1
[profiles.quick]
train.epochs = 2
matrix.seed = [1]
"""


# --- mutation ------------------------------------------------------------------------------------


def _mutated(rng: random.Random, seeds: list[str]) -> tuple[str, str]:
    text, names = rng.choice(seeds), []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 9))):
        mutate = rng.choice(MUTATIONS)
        names.append(mutate.__name__.strip("_"))
        text = mutate(rng, text)
    return "+".join(names), text


def _on_line(change: Callable[[random.Random, str], str]) -> Callable[[random.Random, str], str]:
    def mutate(rng: random.Random, text: str) -> str:
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        lines[at] = change(rng, lines[at])
        return "\n".join(lines)

    mutate.__name__ = change.__name__
    return mutate


@_on_line
def _value(rng: random.Random, line: str) -> str:
    return f"{line.partition('=')[0]}= {rng.choice(VALUES)}"


@_on_line
def _key(rng: random.Random, line: str) -> str:
    return f"{rng.choice(KEYS)} ={line.partition('=')[2] or ' 1'}"


@_on_line
def _line_twice(_rng: random.Random, line: str) -> str:
    return f"{line}\n{line}"


@_on_line
def _line_gone(_rng: random.Random, _line: str) -> str:
    return ""


@_on_line
def _new_pair(rng: random.Random, line: str) -> str:
    dotted = ".".join(rng.choice(KEYS) for _ in range(rng.choice((1, 1, 2, 3))))
    return f"{line}\n{dotted} = {rng.choice(VALUES)}"


@_on_line
def _new_header(rng: random.Random, line: str) -> str:
    return f"{line}\n{rng.choice(HEADERS)}"


@_on_line
def _unseen(rng: random.Random, line: str) -> str:
    at = rng.randint(0, len(line))
    return line[:at] + rng.choice(UNSEEN) + line[at:]


@_on_line
def _slip(rng: random.Random, line: str) -> str:
    old, new = rng.choice(SLIPS)
    return line.replace(old, new)


SLIPS = (
    *((" = ", ": "), (" = ", " == "), (" = ", " "), ('"', ""), ('"', "“"), ('"', "'"), (".", ",")),
    *(("[[", "["), ("]]", "]"), ("[", "[["), ("]", ""), ("{", ""), ("}", ""), (", ", " ")),
    *((">=", "=>"), ("true", "True"), ("\n", "\r"), ("\n", ",\n"), ("_", " "), ("_", "-")),
    *(("0.", "."), ("1", "01"), ("=", "= = "), ("and", "&&"), ("not ", "!"), ("e-", "e")),
)


def _token(rng: random.Random, text: str) -> str:
    tokens = _TOKEN.findall(text) or ["#"]
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        match rng.randrange(4):
            case 0:
                tokens[at] = rng.choice(VALUES)
            case 1:
                tokens[at] = tokens[other]
            case 2:
                tokens[at] = ""
            case _:
                tokens[at], tokens[other] = tokens[other], tokens[at]
    return "".join(tokens) or "#"


def _cut(rng: random.Random, text: str) -> str:
    return text[: rng.randrange(1, len(text) + 1)] if text else "#"


def _block_moved(rng: random.Random, text: str) -> str:
    blocks = re.split(r"(?m)^(?=\[)", text)
    rng.shuffle(blocks)
    return "".join(blocks[: rng.randint(1, len(blocks))])


def _block_again(rng: random.Random, text: str) -> str:
    blocks = re.split(r"(?m)^(?=\[)", text)
    return text + "\n" + rng.choice(blocks) * rng.choice((1, 2, 50))


def _number(rng: random.Random, text: str) -> str:
    numbers = list(re.finditer(r"(?<![\w.])\d[\d.e-]*(?![\w.])", text))
    if not numbers:
        return text
    found = rng.choice(numbers)
    new = rng.choice(("0", "-1", "1e300", "1e-300", str(2**62), str(10**9), "3", "7", "1.5", "nan"))
    return text[: found.start()] + new + text[found.end() :]


MUTATIONS: tuple[Callable[[random.Random, str], str], ...] = (
    *(_value, _value, _value, _key, _line_twice, _line_gone, _new_pair, _new_pair, _new_header),
    *(_unseen, _slip, _slip, _token, _token, _cut, _block_moved, _block_again, _number, _number),
)


def _bytes(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content or b"\0")
    for _ in range(rng.choice((1, 3, 30))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


# --- grammar -------------------------------------------------------------------------------------


def _size(rng: random.Random) -> int:
    return rng.choice((2, 3, 10, 33, 70, 300, 2000, 5000, 9000, 40000))


def _listed(items: Iterable[object]) -> str:
    return f"[{', '.join(map(str, items))}]"


def _matrix_bomb(rng: random.Random) -> str:
    axes = rng.choice((1, 2, 3, 12, 13, 31, 33, 500))
    values = _size(rng) if axes == 1 else rng.choice((1, 2, 3, 64, 65))
    keys = ("train.learning_rate", "train.epochs", "seed", "model.modes", "train.clip.max_norm")
    knobs = [*keys, *(f"train.x{index}" for index in range(axes))][:axes]
    rng.shuffle(knobs)
    lines = [f"{knob} = {_listed(range(1, values + 1))}" for knob in knobs]
    entries = [
        f"{{ {rng.choice(knobs)} = {rng.randrange(9)} }}" for _ in range(rng.choice((0, 9, 600)))
    ]
    lines += [f"{rng.choice(('exclude', 'include'))} = {_listed(entries)}"] if entries else []
    return HEAD + "[matrix]\n" + "\n".join(lines) + "\n"


def _arms(rng: random.Random) -> str:
    number, same = _size(rng), rng.random() < 0.3
    own = rng.choice(
        ("", "train.epochs = {}\n", "train.x{} = 1\n", "seed = {}\n", "title = 'x{}'\n")
    )
    arms = (f"[[arms]]\nname = 'a{0 if same else i}'\n{own.format(i)}" for i in range(number))
    return HEAD + "".join(arms)


def _profiles(rng: random.Random) -> str:
    number = rng.choice((1, 15, 17, 500, 5000))
    own = rng.choice(("", "train.epochs = {}\n", "matrix.seed = [{}]\n", "x{} = 1\n"))
    profiles = "".join(f"[profiles.p{i}]\n{own.format(i)}" for i in range(number))
    return HEAD + f"[matrix]\nseed = {_listed(range(_size(rng)))}\n" + profiles


def _nested(rng: random.Random) -> str:
    depth = rng.choice((10, 31, 32, 33, 64, 399, 401, 3000, 100000))
    opening, closing = rng.choice((("[", "]"), ("{ a = ", " }"), ("[{ a = ", " }]"), ("[", "")))
    where = rng.choice(
        ("x", "train.x", "matrix.seed", "matrix.exclude", "arms", "profiles.q.model")
    )
    return f"{where} = {opening * depth}1{closing * depth}\n{HEAD}"


def _dotted(rng: random.Random) -> str:
    parts, lines = rng.choice((3, 30, 31, 33, 900)), rng.choice((1, 3, 300, 3000))
    head, tail = rng.choice((("", " = 1"), ("[", "]"), ("[[", "]]")))
    same = rng.random() < 0.3
    rows = (f"{head}{'a.' * parts}b{0 if same else i}{tail}" for i in range(lines))
    return HEAD + "\n".join(rows) + "\n"


def _many_keys(rng: random.Random) -> str:
    number, where = _size(rng), rng.choice(("", "[train]\n", "[zzz]\n", "[[arms]]\nname = 'a'\n"))
    name = rng.choice(("k{}", "epoch{}", '"k\\u0041{}"', "x" * 60 + "{}", "'\u202e{}'"))
    value = rng.choice(("1", "2026-01-01", "1e999", "99999999999999999999", "[]", "{}", "'x'"))
    return HEAD + where + "".join(f"{name.format(i)} = {value}\n" for i in range(number))


def _long_text(rng: random.Random) -> str:
    piece = rng.choice(
        ("x", "\\n", '\\"', '""x', "#", " ", "\t", "é", "\\u202e", "'", "\\", "[", ",")
    )
    opening, closing = rng.choice(
        (('"', '"'), ("'", "'"), ('"""', '"""'), ("'''", "'''"), ('"', ""))
    )
    key = rng.choice(("license", "stage", "zzz", "title"))
    text = piece * (rng.choice((10, 1000, 1000000)) // len(piece))
    return HEAD + f"{key} = {opening}{text}{closing}\n[[arms]]\nname = 'a'\n"


def _long_line(rng: random.Random) -> str:
    piece = rng.choice(
        (" ", "\n", "#\n", "a", "1", "=", '"', "'", '"\n', "[", "]", "{", ".", "\r\n", "\\")
    )
    return (
        HEAD + rng.choice(("", "a = ", "a", "[")) + piece * (rng.choice((99, 900000)) // len(piece))
    )


def _rules(rng: random.Random) -> str:
    words = (
        "amp_ssim",
        "collapsed",
        "not",
        "and",
        "or",
        "(",
        ")",
        ">=",
        "=>",
        "0.8",
        "0,8",
        "&&",
        "x",
    )
    signs = (*words, "!", "<", "=", "%", "1e999", "AND", "≥", "\\u202e", "'", "constant_amp_ssim")
    texts = [
        " ".join(rng.choice(signs) for _ in range(rng.choice((1, 3, 5, 40, 400))))
        for _ in range(rng.choice((1, 3, 64, 65)))
    ]
    success = _listed(f'"{text}"' for text in texts)
    return HEAD + f"[verdict]\nsuccess = {success}\n[[arms]]\nname = 'a'\n"


def _parameters(rng: random.Random) -> str:
    """Right types, wild sizes: what must be refused or planned, not looped over."""
    sizes = (0, 1, 2, 3, 8, 31, 32, 64, 96, 255, 256, 257, 10**4, 10**6, 10**9, 2**62, 2**63 - 1)
    knobs = {
        "dataset": (
            "object_size",
            "patch_size",
            "train_stride",
            "test_stride",
            "num_train_objects",
        ),
        "model": ("hidden_channels", "fno_blocks", "cnn_blocks", "modes", "max_levels"),
        "train": ("epochs", "batch_size", "inference_batch_size"),
        "resources": ("threads", "pids", "shm_mib", "memory_gib", "timeout_s"),
    }
    lines = []
    for table, names in knobs.items():
        lines.append(f"[{table}]")
        if table == "model":
            kinds = ("hybrid", "stable_hybrid", "hybrid_resnet", "fno", "cnn")
            lines.append(f'architecture = "{rng.choice(kinds)}"')
        chosen = rng.sample(names, rng.randint(0, 2))
        lines += [f"{name} = {rng.choice(sizes)}" for name in chosen]
    return HEAD + "\n".join(lines) + "\n[[arms]]\nname = 'a'\n"


def _tests(rng: random.Random) -> str:
    names = ("tests/models/test_arm.py", "tests/models/zzz/test_x.py", "tests/models/test_.py")
    ids = [
        f"{rng.choice(names)}::{'x' * rng.choice((1, 9, 300))}{i}" for i in range(_size(rng) % 999)
    ]
    return HEAD + f"[tests]\nselect = {_listed(repr(each) for each in ids)}\n[[arms]]\nname = 'a'\n"


GRAMMAR: tuple[Callable[[random.Random], str], ...] = (
    *(_matrix_bomb, _matrix_bomb, _arms, _profiles, _nested, _dotted, _many_keys, _long_text),
    *(_long_line, _rules, _rules, _parameters, _parameters, _parameters, _tests),
)
