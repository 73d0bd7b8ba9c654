"""FHIR interoperability for infusion orders and administrations."""
