from __future__ import annotations

from dataclasses import FrozenInstanceError
from decimal import Decimal

import jsonschema
import pytest
from hypothesis import given, settings
from marshmallow import ValidationError

from fhir_infusion.records import fields
from fhir_infusion.records.administration import Administration
from fhir_infusion.records.equality import same
from fhir_infusion.records.fields import classes, key_of, table
from fhir_infusion.records.formats import FORMATS
from fhir_infusion.records.number import Spelled
from fhir_infusion.records.order import InfusionOrder
from fhir_infusion.records.schemas import administration_schema, dump, issues, json_schema, load, order_schema
from tests.counts import count
from tests.generators import records, spoiled
from tests.records.samples import DOBUTAMINE, GIVEN, changed


@settings(max_examples=count(30, 3000))
@given(records())
def test_loading_and_dumping_gives_the_record_back_digit_for_digit(record):
    assert same(dump(load(record)), record)


def test_a_loaded_record_is_typed_and_frozen():
    order = load(changed(DOBUTAMINE, "steps.0.dosings.0.rate.value", Spelled("2.50E0")))
    assert isinstance(order, InfusionOrder)
    assert order.steps[0].dosings[0].rate is not None
    assert str(order.steps[0].dosings[0].rate.value) == "2.50E0"
    assert order.preparation is not None
    assert order.preparation.total_volume is not None
    assert type(order.preparation.total_volume.value) is Decimal
    with pytest.raises(FrozenInstanceError):
        order.status = "stopped"  # type: ignore[misc]  # that is what is tested
    assert isinstance(load(GIVEN), Administration)


def test_errors_are_shaped_like_the_input_and_all_told_at_once():
    broken = changed(changed(DOBUTAMINE, "steps.0.dosings.0.rate.value", "5"), "status", "bogus")
    with pytest.raises(ValidationError) as refused:
        load(broken)
    assert refused.value.messages == {
        "status": ["not one of the codes allowed here"],
        "steps": {0: {"dosings": {0: {"rate": {"value": ["not a decimal"]}}}}},
    }


def test_rules_are_part_of_the_schema():
    assert order_schema().validate(changed(DOBUTAMINE, "do_not_perform", value=True)) == {"do_not_perform": ["a prohibition is not an order"]}  # fmt: skip
    assert administration_schema().validate(GIVEN) == {}
    sent = changed(GIVEN, "when")
    assert administration_schema(as_sent=True).validate(sent) == {}
    assert administration_schema().validate(sent) == {"when": ["this is missing"]}
    read = load(sent, as_sent=True)
    assert isinstance(read, Administration)
    assert read.when is None


def test_the_table_names_every_type_that_a_record_holds():
    assert len(table()) == len(classes())
    assert {field.type for held in table().values() for field in held.values() if field.nested} <= table().keys()
    assert {field.kind for held in table().values() for field in held.values() if field.kind} <= FORMATS.keys()


@pytest.mark.parametrize(
    ("type_name", "name", "told"),
    [
        ("Quantity", "value", ("decimal", "decimal", False, False, False, ())),
        ("Quantity", "comparator", ("code", "code", False, False, False, ("<", "<=", ">=", ">"))),
        ("Step", "step_id", ("key", "key", False, True, False, ())),
        ("InfusionOrder", "steps", ("Step", "", True, False, False, ())),
        ("InfusionOrder", "patient", ("Patient", "", False, False, True, ())),
        ("Timing", "events", ("dateTime", "dateTime", True, False, False, ())),
        ("Residue", "value", ("json", "json", False, False, False, ())),
        ("Group", "cycle", ("integer", "integer", False, False, False, ())),
    ],
)
def test_the_table_says_what_a_field_holds(type_name, name, told):
    field = table()[type_name][name]
    assert (field.type, field.kind, field.is_list, field.key, field.required, field.codes) == told
    assert field.nested is (not field.kind)


def test_text_that_describes_its_siblings_is_marked():
    described = {(name, field.name) for name, held in table().items() for field in held.values() if field.describes}
    assert {("Step", "text"), ("Coding", "display"), ("InfusionOrder", "rendered_instruction")} <= described


def test_every_list_of_a_type_with_a_key_says_its_key():
    assert key_of("Step") == "step_id"
    assert key_of("Quantity") is None
    without = {field.type for held in table().values() for field in held.values() if field.nested and field.is_list and not key_of(field.type)}  # fmt: skip
    assert without == {"Residue"}


def test_an_annotation_that_no_field_may_have_is_told():
    with pytest.raises(TypeError, match="no field of a record"):
        fields._kind(float)


@pytest.mark.parametrize("name", ["InfusionOrder", "Administration"])
def test_the_json_schema_is_a_schema_with_a_description_of_every_field(name):
    schema = json_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for held in schema["$defs"].values():
        assert all(told.get("description") for told in held["properties"].values())


def test_there_is_no_json_schema_of_something_else():
    with pytest.raises(KeyError):
        json_schema("Order")


VALIDATORS = {name: jsonschema.Draft202012Validator(json_schema(name)) for name in ("InfusionOrder", "Administration")}


@settings(max_examples=count(25, 1000))
@given(records())
def test_every_valid_record_passes_the_json_schema(record):
    assert list(VALIDATORS[record["record"]].iter_errors(record)) == []


@settings(max_examples=count(60, 3000))
@given(spoiled())
def test_the_json_schema_lets_no_wrong_shape_pass_that_marshmallow_would_take(record):
    name = record.get("record")
    if name == "InfusionOrder" and order_schema().validate(record) == {}:
        assert list(VALIDATORS[name].iter_errors(record)) == []


def test_residue_holds_no_null_which_is_no_value_of_fhir():
    record = {**DOBUTAMINE, "residue": [{"release": "R4", "path": "note[]", "value": None}]}
    assert [(issue.path, issue.code) for issue in issues(record)] == [("residue[0].value", "required")]


def test_what_a_record_has_to_say_is_little():
    required = {kind: {name for name, one in fields.items() if one.required} for kind, fields in table().items()}
    assert {kind: names for kind, names in required.items() if names} == {
        "InfusionOrder": {"patient", "status", "intent"},
        "Administration": {"patient", "status"},
        "Measurement": {"kind"},
        "Residue": {"release", "path"},
    }
