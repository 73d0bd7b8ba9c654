"""The happy-path check of a record: generated straight-line code that says yes or no, and marshmallow for the reasons.

The code is generated once, on import, from the field table, the formats and the rules, so it cannot know less than
the schemas: per record type one function that looks at each member that is there. A record that passes costs about a
tenth of what marshmallow takes; one that does not is given to marshmallow for its messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from fhir_infusion.errors import Refused
from fhir_infusion.records.fields import ROOTS, Field, table
from fhir_infusion.records.formats import FORMATS
from fhir_infusion.records.record_rules import RULES
from fhir_infusion.records.schemas import issues
from fhir_infusion.records.value_rules import QUICK

if TYPE_CHECKING:
    from fhir_infusion.records.rules import Rule

Check = Callable[[Any, list[str]], bool]
"""Takes one part and the list that its keys are added to."""


def check(record: object, type_name: str | None = None, *, as_sent: bool = False) -> bool:
    """Return whether a record in its interchange form is right: shape, formats and rules.

    ``type_name`` is needed where the record has no member ``record``. ``as_sent``: the record was read from FHIR, so
    what is only asked of our own JSON (units that are UCUM, ``when`` …) is let pass.
    """
    if record.__class__ is not dict:
        return False
    name = cast("dict[str, Any]", record).get("record", type_name)
    if name.__class__ is not str or name not in ROOTS or (type_name is not None and name != type_name):
        return False
    keys: list[str] = []
    return (_SENT if as_sent else _OWN)[name](record, keys) and len(set(keys)) == len(keys)


def refuse(record: object, type_name: str | None = None, *, as_sent: bool = False) -> None:
    """Return where a record is right; raise with everything that is wrong with it where it is not.

    Raises:
        Refused: one issue per fault, each with a record path such as ``steps[0].dosings[0].dose.value``; status 400
            where the format is broken, 422 where a rule is.
    """
    if not check(record, type_name, as_sent=as_sent):
        raise Refused(*issues(record, type_name, as_sent=as_sent))


def source(*, rules: str) -> str:
    """Return the generated source; ``rules`` is ``own`` or ``sent``."""
    return "\n".join(line for name in table() for line in _type_source(name, _rules(name, rules)))


def _rules(type_name: str, which: str) -> Iterable[tuple[int, Rule]]:
    return [(index, rule) for index, rule in enumerate(RULES[type_name]) if which == "own" or not rule.own]


def _type_source(name: str, rules: Iterable[tuple[int, Rule]]) -> list[str]:
    """Write one function: members by name, what must be there, then the rules."""
    lines = [
        f"def check_{name}(part, keys):",
        " if part.__class__ is not dict or not part: return False",
        " for name, value in part.items():",
    ]
    fields = list(table()[name].values())
    if len(fields) > _FEW:
        lines += [f"  find = members_{name}.get(name)", "  if find is None or not find(value, keys): return False"]
    else:
        for position, field in enumerate(fields):
            lines += [f"  {'el' if position else ''}if name == {field.name!r}:", *_member_source(field, "   ")]
        lines += ["  else: return False"]
    lines += [f" if {field.name!r} not in part: return False" for field in fields if field.required]
    before = ""
    for index, rule in rules:
        if rule.quick != before:
            lines.append(f" if not ({rule.quick}):")
        before = rule.quick
        lines.append(f"  for broken in rule_{name}_{index}(part): return False")
    lines += [" return True"]
    if len(fields) > _FEW:
        for field in fields:
            lines += [f"def member_{name}_{field.name}(value, keys):", *_member_source(field, " "), " return True"]
        lines += [f"members_{name} = {{{', '.join(f'{f.name!r}: member_{name}_{f.name}' for f in fields)}}}"]
    return lines


_FEW: Final = 12
"""Up to so many fields a chain of comparisons is written, else a look-up and a call: 3 % quicker than either alone."""


def _member_source(field: Field, indent: str) -> list[str]:
    if not field.is_list:
        return [indent + line for line in _value_source(field)]
    lines = ["if value.__class__ is not list or not value: return False", "for value in value:"]
    return [indent + line for line in lines + [" " + line for line in _value_source(field)]]


def _value_source(field: Field) -> list[str]:
    if field.nested:
        return [f"if not check_{field.type}(value, keys): return False"]
    if field.codes:
        return [f"if value.__class__ is not str or value not in {_code_set(field.codes)}: return False"]
    if field.kind == "decimal":
        small = f"value.__class__ is int and -{_SMALL} < value < {_SMALL}"
        return [f"if not ({small}) and not is_decimal(value): return False"]
    if field.kind in {"key", "string", "code", "uri"}:
        blank = " or ' ' in value" if field.kind != "string" else " or value.isspace()"
        # What is printable ASCII in the main needs no regular expression; the predicate decides the rest.
        doubtful = f"value.__class__ is not str or not value or not value.isprintable(){blank} or len(value) > {_SHORT}"
        lines = [f"if ({doubtful}) and not is_{field.kind}(value): return False"]
        return [*lines, "keys.append(value)"] if field.key else lines
    return [f"if not is_{field.kind}(value): return False"]


_SHORT: Final = 1024
"""Longer text goes to the predicate, which knows the limit."""


_SMALL: Final = 10**6
"""A whole number up to here needs no look at its digits."""


def _code_set(codes: tuple[str, ...]) -> str:
    """Return the name of a set of codes in the generated source."""
    return f"codes_{_CODE_SETS.setdefault(codes, len(_CODE_SETS))}"


_CODE_SETS: dict[tuple[str, ...], int] = {}


def _generate(rules: str) -> Mapping[str, Check]:
    text = source(rules=rules)
    scope: dict[str, Any] = {f"is_{kind}": form.accepts for kind, form in FORMATS.items()}
    scope |= {f"codes_{number}": frozenset(codes) for codes, number in _CODE_SETS.items()}
    scope |= QUICK
    scope |= {f"rule_{name}_{index}": rule.find for name in RULES for index, rule in enumerate(RULES[name])}
    code = compile(text, f"<generated check of {rules} records>", "exec")
    exec(code, scope)  # noqa: S102  our own text, made above from our own table
    return {name: scope[f"check_{name}"] for name in table()}


_OWN: Final = _generate("own")
_SENT: Final = _generate("sent")
